// A table that htmx replaces stays scrolled sideways as far as it was.
"use strict";
(() => {
  const scrolled = new Map();
  const tables = () => document.querySelectorAll(".scroll[aria-label]");
  document.addEventListener("htmx:beforeSwap", () => {
    for (const table of tables()) scrolled.set(table.getAttribute("aria-label"), table.scrollLeft);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const table of tables()) table.scrollLeft = scrolled.get(table.getAttribute("aria-label")) ?? 0;
  });
})();
