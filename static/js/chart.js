// Charts: each is drawn from the table beside it, so the numbers are in the
// page and a chart is only another way to see them.
//
//	<div data-chart-for="daily"></div> … <table id="daily" data-chart="bars">
//
// The first cell of a row has data-value in Unix seconds, the others a number.

import uPlot from "./vendor/uplot.js";

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");
const dashes = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

for (const box of document.querySelectorAll("[data-chart-for]")) {
  const table = document.getElementById(box.dataset.chartFor);
  if (table?.tBodies[0]?.rows.length) draw(box, table);
}

function draw(box, table) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const data = heads.map((_, column) => rows.map((row) => Number(row.cells[column].dataset.value)));
  // uPlot wants time to rise; tables often begin with today.
  if (data[0].length > 1 && data[0][0] > data[0].at(-1)) for (const column of data) column.reverse();

  const korean = document.documentElement.lang !== "en";
  const count = new Intl.NumberFormat(korean ? "ko-KR" : "en", { notation: "compact" });
  const exact = new Intl.NumberFormat(korean ? "ko-KR" : "en");
  const date = new Intl.DateTimeFormat(korean ? "ko-KR" : "en", { month: "numeric", day: "numeric", timeZone: "Asia/Seoul" });
  const bars = table.dataset.chart === "bars";
  const day = 86400;
  const step = data[0].length > 1 ? data[0][1] - data[0][0] : day;

  let plot;
  const build = () => {
    plot?.destroy();
    const inks = [token("--accent"), token("--ink-2"), token("--warn"), token("--ok")];
    const axis = { font: `12px ${token("--font")}`, stroke: token("--ink-2"), grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), width: 1 } };
    plot = new uPlot({
      width: Math.max(200, box.clientWidth - 24),
      height: 260,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Asia/Seoul"),
      cursor: { drag: { x: false, y: false } },
      scales: {
        // Bars stand with their middle on the day: half a step more on both sides.
        x: { range: (_, low, high) => (bars ? [low - step / 2, high + step / 2] : [low, high]) },
        y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] },
      },
      axes: [
        { ...axis, incrs: step >= day ? [1, 2, 3, 7, 14, 30, 90].map((days) => days * day) : undefined, values: (_, at) => at.map((seconds) => date.format(seconds * 1000)) },
        { ...axis, size: 64, values: (_, at) => at.map((value) => count.format(value)) },
      ],
      series: [
        { label: heads[0], value: (_, seconds) => (seconds == null ? "–" : date.format(seconds * 1000)) },
        ...heads.slice(1).map((label, i) => ({
          label,
          stroke: inks[i % inks.length],
          fill: bars && i === 0 ? inks[0] : undefined,
          width: 2,
          dash: dashes[i % dashes.length], // lines differ without colour too
          paths: bars && i === 0 ? uPlot.paths.bars({ size: [0.7, 48] }) : undefined,
          points: { show: !bars && rows.length < 40 },
          value: (_, value) => (value == null ? "–" : exact.format(value)),
        })),
      ],
    }, data, box);
  };
  build();
  new ResizeObserver(() => plot.setSize({ width: Math.max(200, box.clientWidth - 24), height: 260 })).observe(box);
  dark.addEventListener("change", build);
}
