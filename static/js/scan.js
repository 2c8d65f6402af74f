// Scanning a shop's code with the camera, where the browser can read codes by
// itself. Elsewhere the button stays hidden, and the field and the search do.

const area = document.querySelector("[data-scan]");
if (area && navigator.mediaDevices?.getUserMedia && "BarcodeDetector" in window) prepare(area);

async function prepare(area) {
  const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
  if (!formats.includes("qr_code")) return;
  area.hidden = false;
  const dialog = area.querySelector("dialog");
  const state = area.querySelector("[data-scan-state]");
  area.querySelector("[data-scan-start]").addEventListener("click", () => scan(area, dialog, state));
}

async function scan(area, dialog, state) {
  const video = dialog.querySelector("video");
  dialog.showModal();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    state.textContent = state.dataset.noCamera;
    return;
  }
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  dialog.addEventListener("close", stop, { once: true });
  video.srcObject = stream;
  await video.play();
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  while (dialog.open) {
    const [code] = await detector.detect(video).catch(() => []);
    if (code?.rawValue) {
      const field = document.querySelector(area.dataset.scan);
      field.value = code.rawValue;
      dialog.close();
      field.form.requestSubmit();
      return;
    }
    await new Promise((next) => setTimeout(next, 120));
  }
}
