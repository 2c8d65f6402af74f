// Keeps a citizen's session going while a page is open: renews the access
// cookie shortly before it ends, and after a reset or an expiry goes on by the
// device key with no human step. What cannot go on is said by the server's page.

import { hasKey, sign } from "./session.js";

const early = 45_000; // ms before the end
const shortest = 5_000;

const post = (url, body) =>
  fetch(url, {
    method: "POST",
    credentials: "same-origin",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });

// retryAfter is what the server asks for, in ms, with some spread so that many
// devices do not come back at once.
const retryAfter = (answer, otherwise) =>
  (Number(answer?.headers.get("Retry-After")) * 1000 || otherwise) * (1 + Math.random() / 2);

let timer;
let ends = 0; // ms since 1970
function plan(expires) {
  ends = Date.parse(expires);
  clearTimeout(timer);
  timer = setTimeout(renew, Math.max(shortest, ends - Date.now() - early));
}
function again(ms) {
  clearTimeout(timer);
  timer = setTimeout(renew, ms);
}

async function renew() {
  let answer;
  try {
    answer = await post("/my/session/refresh");
  } catch {
    return again(15_000 * (1 + Math.random())); // no network: nothing has ended
  }
  if (answer.ok) return plan((await answer.json()).expires_at);
  // 409: another tab is renewing. 429, 5xx: cannot tell now. Neither ends anything.
  if (answer.status !== 401) return again(retryAfter(answer, answer.status === 409 ? 1_000 : 15_000));
  if (!(await resume())) location.reload();
}

// resume proves the device key. It answers false when the server says no, and
// then the page it shows tells why the session ended.
export async function resume() {
  try {
    if (!(await hasKey())) return false;
    const asked = await post("/my/session/challenge");
    if (!asked.ok) return wait(asked);
    const { challenge, device_id } = await asked.json();
    const answer = await post("/my/session/resume", { device_id, challenge, signature: await sign(challenge) });
    if (!answer.ok) return wait(answer);
    plan((await answer.json()).expires_at);
    return true;
  } catch {
    again(15_000 * (1 + Math.random()));
    return true;
  }
}

function wait(answer) {
  if (answer.status < 500 && answer.status !== 429) return false;
  again(retryAfter(answer, 15_000));
  return true;
}

if (document.body.dataset.sessionExpires) {
  plan(document.body.dataset.sessionExpires);
  // A phone that slept wakes up with timers late.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && ends - Date.now() < early) renew();
  });
}

// A page may ask for it at once: <form data-resume> with the page to go to in action.
for (const form of document.querySelectorAll("form[data-resume]")) {
  resume().then((on) => on && location.replace(form.action));
}
