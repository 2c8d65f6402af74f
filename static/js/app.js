// What every page has. Each part looks for its data-* attribute; without this
// file the same forms and links work, only plainer.

document.documentElement.dataset.js = "";

// An error summary takes the focus, so that it is read first.
document.querySelector("[data-focus]")?.focus();

// On a phone the desk's sections are a strip; the current one is in view.
document.querySelector(".side [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest", behavior: "instant" });

// Amounts: shown with separators while typing, sent without.
const digits = (text) => text.replace(/\D/g, "").replace(/^0+(?=\d)/, "").slice(0, 12);
const grouped = (text) => digits(text).replace(/\B(?=(\d{3})+$)/g, ",");

function regroup(input) {
  const after = digits(input.value.slice(input.selectionStart)).length;
  input.value = grouped(input.value);
  if (document.activeElement !== input) return;
  // The caret stays before as many digits as it was.
  let at = input.value.length;
  for (let seen = 0; at > 0 && seen < after; at--) if (input.value[at - 1] !== ",") seen++;
  if (input.value[at - 1] === ",") at--; // else Backspace would meet only the comma
  input.setSelectionRange(at, at);
}

for (const input of document.querySelectorAll("[data-amount]")) {
  regroup(input);
  input.addEventListener("input", () => regroup(input));
  input.form?.addEventListener("formdata", (event) => event.formData.set(input.name, digits(input.value)));
}

for (const chips of document.querySelectorAll("[data-amount-for]")) {
  chips.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-add],[data-set]");
    const input = document.getElementById(chips.dataset.amountFor);
    if (!chip || !input) return;
    const amount = "set" in chip.dataset ? Number(chip.dataset.set) : Number(digits(input.value)) + Number(chip.dataset.add);
    input.value = amount ? grouped(String(amount)) : "";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy],[data-copy-text],[data-open],[data-close],[data-print]");
  if (!target) return;
  const { copy, copyText, open } = target.dataset;
  if (open !== undefined) document.getElementById(open)?.showModal();
  else if ("close" in target.dataset) target.closest("dialog")?.close();
  else if ("print" in target.dataset) window.print();
  else copyFrom(target, copyText ?? document.querySelector(copy)?.textContent.trim() ?? "");
});

async function copyFrom(button, text) {
  const english = document.documentElement.lang === "en";
  try {
    await navigator.clipboard.writeText(text);
    toast(english ? "Copied" : "복사했어요");
  } catch {
    toast(english ? "Could not copy" : "복사하지 못했어요");
  }
}

// toast says something for a moment; screen readers read it.
export function toast(text) {
  const place = document.querySelector("[data-toasts]");
  if (!place) return;
  const line = document.createElement("p");
  line.className = "toast";
  line.textContent = text;
  place.append(line);
  setTimeout(() => line.remove(), 5000);
}

// Sending: ask where asked to, then never twice, and show that it is going on.
// A press of the button that is refused here has its answer under way already.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  const question = button?.dataset.confirm ?? form.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post" || !("once" in form.dataset)) return;
  if ("sent" in form.dataset) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
  for (const each of form.querySelectorAll("button")) each.setAttribute("aria-disabled", "true");
  button?.setAttribute("aria-busy", "true");
});

// Coming back with the browser's Back button, the form can be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const each of form.querySelectorAll("button")) {
      each.removeAttribute("aria-disabled");
      each.removeAttribute("aria-busy");
    }
  }
});

document.addEventListener("change", (event) => {
  if ("autoSubmit" in event.target.dataset) event.target.form?.requestSubmit();
});
