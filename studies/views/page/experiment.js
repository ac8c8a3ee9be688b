// The figures and the trainings of an experiment. It gets data, never code.
"use strict";
(() => {
  const root = document.documentElement;
  const byId = id => document.getElementById(id);
  let data = JSON.parse(byId("data").textContent), chosen = null;

  const ring = traces => {  // where the chosen training stands in a figure
    for (const trace of traces) {
      const at = chosen === null ? -1 : (trace.customdata || []).indexOf(chosen);
      if (at >= 0) return {x: [trace.x[at]], y: [trace.y[at]]};
    }
    return {x: [], y: []};
  };

  const draw = box => {
    const figure = data.figures[box.dataset.figure];
    if (!figure) return;
    const traces = figure.data.map(trace => trace.name === "chosen" ? {...trace, ...ring(figure.data)} : trace);
    drawFigure(box, traces, figure.layout, () => box.on("plotly_click", event => {
      const trial = event.points.find(point => Number.isInteger(point.customdata))?.customdata;
      if (trial !== undefined) choose(trial === chosen ? null : trial);
    }));
  };
  const drawAll = () => document.querySelectorAll(".figure").forEach(draw);

  const table = trialTable(byId("table"), byId("more"), byId("filtered"), trial => choose(trial));
  const choose = trial => { chosen = trial; table.set(data, chosen); drawInTurn(draw); };
  const show = () => { showCopies(); table.set(data, chosen); drawInTurn(draw); };
  show();
  byId("filter").addEventListener("input", event => table.filter(event.target.value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawInTurn(draw));
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    document.querySelectorAll("details").forEach(box => { box.open = true; });
    table.all();
    drawAll();
  });
  addEventListener("afterprint", () => { root.classList.remove("printing"); drawInTurn(draw); });
  followNews(fresh => { data = fresh; show(); });
  root.dataset.ready = "";
})();
