// What pytest-html's own script lacks: a filter by text, links to rows, and cells whose text can be selected.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.createElement("input");
  box.type = "search";
  box.className = "vf-search";
  box.placeholder = "machine, statement, message …";
  box.setAttribute("aria-label", "Show only rows with this text");
  const filters = document.querySelector(".controls .filters");
  if (!filters) return;
  filters.append(box);
  filters.querySelectorAll("span").forEach((label) => { label.textContent = label.textContent.replace(/,$/, ""); });

  const texts = new WeakMap();
  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    document.querySelectorAll("#results-table > tbody").forEach((row) => {
      row.classList.toggle("vf-filtered", !words.every((word) => textOf(row).includes(word)));
    });
  };
  const goToRow = () => {
    const row = document.getElementById(location.hash.slice(1));
    document.querySelectorAll(".vf-target").forEach((other) => other.classList.remove("vf-target"));
    if (row) {
      row.classList.add("vf-target");
      row.scrollIntoView({ block: "center" });
    }
  };

  // pytest-html draws its table anew on every click, and marks every sortable header of the new one.
  new MutationObserver(show).observe(document.body, { childList: true });
  box.addEventListener("input", show);
  window.addEventListener("hashchange", goToRow);
  // Only the outcome's cell opens a row's log: elsewhere a click would spoil selecting text.
  document.addEventListener("click", (event) => {
    const cell = event.target.closest?.(".collapsible td");
    if (cell && !cell.classList.contains("col-outcome")) event.stopPropagation();
  }, true);
  goToRow();
});
