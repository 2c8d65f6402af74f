// The device key: made in this browser, its private part cannot be read out,
// not even by this page. A login binds it; later it proves that this is still
// the same device, without asking the person again.

const store = "device-key";
const algorithm = { name: "ECDSA", namedCurve: "P-256" };

function open() {
  return new Promise((done, fail) => {
    const request = indexedDB.open("jangteo", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}

async function inStore(mode, use) {
  const database = await open();
  try {
    return await new Promise((done, fail) => {
      const transaction = database.transaction(store, mode);
      const request = use(transaction.objectStore(store));
      transaction.oncomplete = () => done(request.result);
      transaction.onerror = transaction.onabort = () => fail(transaction.error);
    });
  } finally {
    database.close();
  }
}

const load = () => inStore("readonly", (keys) => keys.get("pair"));

async function loadOrMake() {
  const known = await load();
  if (known) return known;
  const pair = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  await inStore("readwrite", (keys) => keys.put(pair, "pair"));
  return pair;
}

function base64url(bytes) {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// hasKey tells whether this browser has a device key already.
export async function hasKey() {
  return Boolean(await load());
}

// publicJWK is the public part: {kty, crv, x, y}. It makes the key if there is none.
export async function publicJWK() {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", (await loadOrMake()).publicKey);
  return { kty, crv, x, y };
}

// sign answers a challenge: base64url of r and s (64 bytes) over its UTF-8 bytes,
// ECDSA with SHA-256, as in JWS ES256.
export async function sign(challenge) {
  const pair = await load();
  if (!pair) throw new Error("this browser has no device key");
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, new TextEncoder().encode(challenge));
  return base64url(signature);
}

let skew = 0; // ms by which the server's clock is ahead, where this one is clearly wrong

// trueTime takes the server's word for what time it is.
export function trueTime(told) {
  const ahead = Date.parse(told) - Date.now();
  if (Math.abs(ahead) > 30_000) skew = ahead;
}

// proof says that this browser holds the device's key, for one request to this
// server (DPoP, RFC 9449). Without a key it is empty.
export async function proof(method, path) {
  const pair = await load();
  if (!pair) return "";
  const text = (value) => base64url(new TextEncoder().encode(JSON.stringify(value)));
  const signed = [
    text({ typ: "dpop+jwt", alg: "ES256", jwk: await publicJWK() }),
    text({ jti: base64url(crypto.getRandomValues(new Uint8Array(16))), htm: method, htu: location.origin + path, iat: Math.floor((Date.now() + skew) / 1000) }),
  ].join(".");
  return `${signed}.${await sign(signed)}`;
}

// deviceName is what the person will recognise, for example "Chrome · Android".
export function deviceName() {
  const agent = navigator.userAgent;
  const browser = [["SamsungBrowser", "Samsung Internet"], ["Edg/", "Edge"], ["Whale", "Whale"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]]
    .find(([mark]) => agent.includes(mark))?.[1] ?? "Browser";
  return `${browser} · ${platform()}`;
}

export function platform() {
  const agent = navigator.userAgent;
  return [["Android", "Android"], ["iPhone", "iOS"], ["iPad", "iPadOS"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["CrOS", "ChromeOS"], ["Linux", "Linux"]]
    .find(([mark]) => agent.includes(mark))?.[1] ?? "web";
}

for (const form of document.querySelectorAll("form[data-device-key]")) {
  const field = (name) => form.querySelector(`input[name="${name}"]`);
  if (form.dataset.now) trueTime(form.dataset.now);
  let ready = false;
  form.addEventListener("submit", async (event) => {
    if (ready) return;
    event.preventDefault();
    // Later listeners (send once) must see only the real submission.
    event.stopPropagation();
    try {
      field("device_public_key").value = JSON.stringify(await publicJWK());
      if (field("device_proof")) field("device_proof").value = await proof("POST", new URL(form.action).pathname);
    } catch {
      // A browser without key store: the server says what that means.
    }
    if (field("device_name")) field("device_name").value = deviceName();
    if (field("device_platform")) field("device_platform").value = platform();
    ready = true;
    form.requestSubmit(event.submitter ?? undefined);
  });
}
