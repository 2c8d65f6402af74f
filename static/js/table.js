// Tables by keyboard: j and k move, Enter opens, / goes to the search field.
// Sorting and filtering are links and forms: the server does them.

const rows = () => [...document.querySelectorAll("[data-rows] tbody tr[data-href]")];
let at = -1;

function move(step) {
  const all = rows();
  if (!all.length) return;
  all[at]?.classList.remove("at");
  at = Math.max(0, Math.min(all.length - 1, at + step));
  const row = all[at];
  row.classList.add("at");
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input,select,textarea,dialog,[contenteditable]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // event.code: with a Korean keyboard the letter of the j key is ㅓ.
  if (event.code === "KeyJ") move(1);
  else if (event.code === "KeyK") move(-1);
  else if (event.key === "Enter" && event.target.matches("tr[data-href]")) location.assign(event.target.dataset.href);
  else if (event.key === "/") {
    const search = document.querySelector("[data-search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  }
});

document.addEventListener("focusin", (event) => {
  const row = event.target.closest("tr[data-href]");
  if (row) at = rows().indexOf(row);
});
