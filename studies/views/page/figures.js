// What the pages share: the colours of figures by their names, the settings of plotly.js, what copies a command.
"use strict";
const CONFIG = {displayModeBar: false, responsive: true, showTips: false, doubleClick: false};

// Colours in the data are names, such as "@ink": the style says which colour that is, in the light or in the dark.
const coloured = value => {
  const style = getComputedStyle(document.documentElement);
  const walk = one => typeof one === "string" ? (one[0] === "@" ? style.getPropertyValue("--" + one.slice(1)).trim() : one)
    : Array.isArray(one) ? one.map(walk)
    : one && typeof one === "object" ? Object.fromEntries(Object.entries(one).map(([k, v]) => [k, walk(v)])) : one;
  return walk(value);
};

const showCopies = () => {
  const canCopy = Boolean(navigator.clipboard);
  document.querySelectorAll(".copy").forEach(button => { button.hidden = !canCopy; });
};

document.addEventListener("click", async event => {
  const button = event.target.closest?.(".copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
