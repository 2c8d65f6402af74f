// Keeps a citizen's session going while a page is open: renews the access
// cookie shortly before it ends, and after a reset or an expiry goes on by the
// device key with no human step. What cannot go on is said by the server's page.

import { hasKey, proof, sign, trueTime } from "./session.js";

const early = 45_000; // ms before the end
const shortest = 5_000;

const send = async (path, body) =>
  fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: { Accept: "application/json", "Content-Type": "application/json", DPoP: await proof("POST", path) },
    body: JSON.stringify(body ?? {}),
  });

// post sends with a proof of the device's key; once more where only this clock is wrong.
async function post(path, body) {
  const answer = await send(path, body);
  if (answer.status !== 401) return answer;
  const problem = await answer.clone().json();
  if (problem.params?.why !== "time") return answer;
  trueTime(answer.headers.get("Date"));
  return send(path, body);
}

// retryAfter is what the server asks for, in ms, with some spread so that many
// devices do not come back at once.
const retryAfter = (answer, otherwise) =>
  (Number(answer.headers.get("Retry-After")) * 1000 || otherwise) * (1 + Math.random() / 2);

let timer;
let ends = 0; // ms since 1970
function plan(expires) {
  ends = Date.parse(expires);
  clearTimeout(timer);
  timer = setTimeout(renew, Math.max(shortest, ends - Date.now() - early));
}

async function renew() {
  const { expires, wait } = await attempt();
  if (expires) return plan(expires);
  if (!wait) return location.reload(); // the server's page says why the session ended
  clearTimeout(timer);
  timer = setTimeout(renew, wait);
}

// attempt renews or, where that is refused, goes on by the device's key. It
// tells until when; or how many ms to wait, because nothing has ended; or
// neither, because the server said no.
async function attempt() {
  try {
    const answer = await post("/my/session/refresh");
    if (answer.status !== 401) return outcome(answer);
    return (await held(answer)) ?? (await resume());
  } catch {
    return { wait: 15_000 * (1 + Math.random()) }; // no network
  }
}

// After a reset all devices come back: one that nobody looks at when it was told to.
let heldOnce = false;
async function held(answer) {
  if (heldOnce || !document.hidden || !answer.headers.get("Retry-After")) return null;
  heldOnce = true;
  return { wait: retryAfter(answer) };
}

async function resume() {
  if (!(await hasKey())) return {};
  const asked = await post("/my/session/challenge");
  if (!asked.ok) return outcome(asked);
  const { challenge, device_id } = await asked.json();
  const answer = await post("/my/session/resume", { device_id, challenge, signature: await sign(challenge) });
  if (answer.status === 401) explain(await answer.clone().json());
  return outcome(answer);
}

// 409: another tab is renewing. 429, 5xx: the server cannot tell now.
async function outcome(answer) {
  if (answer.ok) return { expires: (await answer.json()).expires_at };
  if (answer.status === 409) return { wait: retryAfter(answer, 1_000) };
  if (answer.status === 429 || answer.status >= 500) return { wait: retryAfter(answer, 15_000) };
  return {};
}

// explain shows what only the device itself may be told: where and when the
// login was that ended this one.
function explain(problem) {
  const place = document.querySelector("[data-explain]");
  if (!place || !problem.params?.by_device) return;
  place.querySelector("[data-device]").textContent = problem.params.by_device;
  place.querySelector("[data-near]").textContent = problem.params.near ?? "";
  place.querySelector("[data-at]").textContent = new Date(problem.ended_at).toLocaleString(document.documentElement.lang);
  place.hidden = false;
}

if (document.body.dataset.sessionExpires) {
  plan(document.body.dataset.sessionExpires);
  // A phone that slept wakes up with timers late.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && ends - Date.now() < early) renew();
  });
}

// A page may ask for it at once: <form data-resume> with the page to go to in
// action. While it is tried, the page's other way is not shown: [data-otherwise].
async function goOn(form) {
  for (;;) {
    const { expires, wait } = await attempt();
    if (expires) return location.replace(form.action);
    if (!wait) break;
    await new Promise((done) => setTimeout(done, wait));
  }
  form.hidden = true;
  for (const other of document.querySelectorAll("[data-otherwise]")) other.dataset.shown = "";
}
for (const form of document.querySelectorAll("form[data-resume]")) goOn(form);

// A device that another login signed out may ask which one did.
if (document.querySelector("[data-explain]")) resume().catch(() => {});
