// Keys and completion of the pages about jobs. Without it they work by links and buttons.
"use strict";

(() => {
  const off = document.getElementById("keys-off");
  const boxes = () => [...document.querySelectorAll("form[data-select] input[name=id]")];

  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  document.addEventListener("htmx:after:settle", () => {
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  });

  // A range: from the box that was last changed to this one, all become as it is.

  let last = null;
  const range = (from, to) => {
    const all = boxes();
    const ends = [all.findIndex((box) => box.value === from), all.indexOf(to)].sort((a, b) => a - b);
    if (ends[0] < 0) return;
    for (const box of all.slice(ends[0], ends[1] + 1)) box.checked = true;
    to.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("click", (event) => {
    if (!event.target.matches?.("form[data-select] input[name=id]")) return;
    if (event.shiftKey && last !== null) range(last, event.target);
    last = event.target.value;
  });

  // R and C act on what is selected, or else on the row that is marked.

  const press = (key) => {
    const found = document.querySelector(`[data-press="${CSS.escape(key)}"]`);
    if (!found) return false;
    const row = document.querySelector("tr.here input[name=id]");
    if (found.form?.matches("[data-select]") && row && !boxes().some((box) => box.checked)) row.checked = true;
    found.click();
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || off.checked) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]")) return;
    const row = document.querySelector("tr.here");
    if (event.key === "X") {
      const box = row?.querySelector("input[name=id]");
      if (box) { if (last === null) box.click(); else range(last, box); last = box.value; event.preventDefault(); }
    } else if (event.key === "Enter" && row && !event.target.closest("a, button, summary")) {
      row.querySelector("a")?.click();
    } else if (press(event.key)) event.preventDefault();
  });

  // Completion: the server knows queues and tasks.

  const search = document.querySelector("input[data-complete]");
  let soon = 0;
  search?.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(async () => {
      const answer = await fetch(`${search.dataset.complete}?${new URLSearchParams({ text: search.value })}`);
      if (!answer.ok) return;
      const options = (await answer.json()).map((text) => { const option = document.createElement("option"); option.value = text; return option; });
      document.getElementById("completions").replaceChildren(...options);
    }, 150);
  });
})();
