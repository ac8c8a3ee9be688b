// The figures of two searches side by side. It gets data, never code.
"use strict";
(() => {
  const root = document.documentElement;
  let {figures} = JSON.parse(document.getElementById("data").textContent);
  const draw = () => document.querySelectorAll(".figure").forEach(box => {
    const figure = figures[box.dataset.figure];
    if (figure) drawFigure(box, figure.data, figure.layout);
  });
  showCopies();
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { root.classList.add("printing"); draw(); });
  addEventListener("afterprint", () => { root.classList.remove("printing"); draw(); });
  followNews(data => { figures = data.figures; showCopies(); draw(); });
  root.dataset.ready = "";
})();
