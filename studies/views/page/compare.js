// The figures of two searches side by side. It gets data, never code.
"use strict";
(() => {
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("data").textContent).figures;
  const draw = () => document.querySelectorAll(".figure").forEach(box => {
    const figure = figures[box.dataset.figure], first = !box.data;
    Plotly.react(box, coloured(figure.data), coloured(structuredClone(figure.layout)), CONFIG);
    if (first) box.on("plotly_doubleclick", () => { draw(); return false; });
  });
  showCopies();
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { root.classList.add("printing"); draw(); });
  addEventListener("afterprint", () => { root.classList.remove("printing"); draw(); });
  root.dataset.ready = "";
})();
