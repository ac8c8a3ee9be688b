// What the pages share: how a figure is drawn, its colours by their names, what copies a command.
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

// Draws a figure, or draws it anew as it was zoomed; a double click shows all of it again. `begun` is called the first time.
const drawFigure = (() => {
  const zoomed = new WeakSet(), printed = new WeakSet(), drawn = new WeakMap();
  return (box, traces, given, begun = () => {}) => {
    const first = !box.data, layout = structuredClone(given);
    if (zoomed.has(box)) for (const axis of ["xaxis", "yaxis"]) layout[axis].range = [...box.layout[axis].range];
    drawn.set(box, [traces, given]);
    // By itself Plotly keeps the size of the first time until the window changes, which it does not for paper.
    const printing = document.documentElement.classList.contains("printing");
    if (printing) Object.assign(layout, {width: box.clientWidth, height: box.clientHeight});
    Plotly.react(box, coloured(traces), coloured(layout), CONFIG);
    if (printing) printed.add(box);
    else if (printed.delete(box)) Plotly.Plots.resize(box);
    if (!first) return;
    box.on("plotly_relayout", change => { if ("xaxis.range[0]" in change) zoomed.add(box); });
    box.on("plotly_doubleclick", () => { zoomed.delete(box); drawFigure(box, ...drawn.get(box)); return false; });
    begun();
  };
})();

// Draws all figures of a page: those in view at once, the others one by one, so that it answers meanwhile. A further
// call takes the place of what is left of the one before.
const drawInTurn = (() => {
  let turn = 0;
  const inView = box => { const {top, bottom} = box.getBoundingClientRect(); return bottom > 0 && top < innerHeight; };
  return draw => {
    const mine = turn += 1, boxes = [...document.querySelectorAll(".figure")];
    const first = boxes.filter(inView), rest = boxes.filter(box => !first.includes(box));
    const next = () => {
      if (mine !== turn || rest.length === 0) return;
      draw(rest.shift());
      setTimeout(next);
    };
    first.forEach(draw);
    setTimeout(next);
  };
})();

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
