// Live lists: the server sends finished HTML by server-sent events, and the
// page shows it. The words beside the mark always say whether it is connected.
//
//	<p data-live="/portal/live" data-live-target="#sales" data-live-event="sale"
//	   data-open-text="…" data-lost-text="…" data-say="…">

const keep = 200; // elements in a list, so that a page left open stays light

for (const state of document.querySelectorAll("[data-live]")) follow(state);

function follow(state) {
  const { live, liveTarget, liveEvent = "message", openText, lostText, say } = state.dataset;
  const list = document.querySelector(liveTarget);
  const voice = document.createElement("p");
  voice.className = "hidden-text";
  voice.setAttribute("role", "status");
  state.after(voice);

  let source;
  let wait = 1000;
  const show = (name, text) => {
    if (state.dataset.state === name) return;
    state.dataset.state = name;
    if (text) state.textContent = text;
  };
  const connect = () => {
    source = new EventSource(live);
    source.addEventListener("open", () => {
      wait = 1000;
      show("open", openText);
    });
    source.addEventListener("error", () => {
      show("lost", lostText);
      // The browser retries by itself unless the answer was no event stream.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(connect, wait + Math.random() * wait);
      wait = Math.min(wait * 2, 60000);
    });
    source.addEventListener(liveEvent, (event) => {
      if (!list) return;
      put(list, event.data);
      if (say) voice.textContent = say;
    });
  };
  connect();
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => event.persisted && connect());
}

// put replaces the element of the same id, or adds it on top.
function put(list, html) {
  // A template parses table rows too, and runs no script.
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  const fresh = template.content.firstElementChild;
  if (!fresh) return;
  fresh.classList.add("fresh");
  const old = fresh.id && document.getElementById(fresh.id);
  if (old) old.replaceWith(fresh);
  else list.prepend(fresh);
  for (const empty of document.querySelectorAll(`[data-empty-of="${CSS.escape(list.id)}"]`)) empty.remove();
  list.removeAttribute("hidden");
  while (list.children.length > keep) list.lastElementChild.remove();
}
