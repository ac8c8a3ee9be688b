// The figures of two searches side by side. It gets data, never code.
"use strict";
(() => {
  const root = document.documentElement;
  let {figures} = JSON.parse(document.getElementById("data").textContent);
  const draw = box => {
    const figure = figures[box.dataset.figure];
    if (figure) drawFigure(box, figure.data, figure.layout);
  };
  const drawAll = () => document.querySelectorAll(".figure").forEach(draw);
  showCopies();
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { root.classList.add("printing"); drawAll(); });
  addEventListener("afterprint", () => { root.classList.remove("printing"); drawAll(); });
  followNews(data => { figures = data.figures; showCopies(); drawAll(); });
  root.dataset.ready = "";
})();
