// Passkeys: a button with data-passkey ("get" or "create") asks data-ask for a
// challenge, lets the browser answer it, and sends its form with the answer.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

function text(buffer) {
  let raw = "";
  for (const byte of new Uint8Array(buffer)) raw += String.fromCharCode(byte);
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// unpack turns the texts of JSON into the bytes that the browser wants.
function unpack(options) {
  const listed = (list) => list?.map((each) => ({ ...each, id: bytes(each.id) }));
  const out = { ...options, challenge: bytes(options.challenge) };
  if (options.user) out.user = { ...options.user, id: bytes(options.user.id) };
  if (options.allowCredentials) out.allowCredentials = listed(options.allowCredentials);
  if (options.excludeCredentials) out.excludeCredentials = listed(options.excludeCredentials);
  return out;
}

// pack is the answer as the server reads it.
function pack(credential) {
  const { id, type, rawId, response } = credential;
  const packed = { clientDataJSON: text(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) packed[name] = text(response[name]);
  }
  if (response.getTransports) packed.transports = response.getTransports();
  return JSON.stringify({ id, type, rawId: text(rawId), response: packed, clientExtensionResults: credential.getClientExtensionResults() });
}

async function answer(kind, address) {
  const asked = await fetch(address, { method: "POST", headers: { Accept: "application/json" } });
  if (!asked.ok) throw new Error(`asked for a challenge: ${asked.status}`);
  const { id, options } = await asked.json();
  const publicKey = unpack(options);
  const credential = kind === "create" ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey });
  return { challenge: id, answer: pack(credential) };
}

// trouble says in words what went wrong, where the page keeps them.
function trouble(form, error) {
  const place = form.querySelector("[data-passkey-trouble]");
  if (!place) return;
  const words = { NotAllowedError: "cancelled", AbortError: "cancelled", SecurityError: "host", TypeError: "unsupported" }[error.name] ?? "failed";
  place.textContent = place.dataset[words];
  place.hidden = false;
}

for (const button of document.querySelectorAll("[data-passkey]")) {
  button.addEventListener("click", async () => {
    const { form } = button;
    form.querySelector("[data-passkey-trouble]")?.setAttribute("hidden", "");
    if (button.dataset.passkey === "create" && !form.reportValidity()) return;
    button.disabled = true;
    try {
      const got = await answer(button.dataset.passkey, button.dataset.ask);
      for (const [name, value] of Object.entries(got)) {
        (form.elements[name] ?? form.elements[`step_up_${name}`]).value = value;
      }
      form.submit();
    } catch (error) {
      trouble(form, error);
      button.disabled = false;
    }
  });
}
