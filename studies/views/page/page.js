// The page's figures and the trial that is chosen. It gets data, never code.
"use strict";
(() => {
  const root = document.documentElement;
  const byId = id => document.getElementById(id);
  let data = JSON.parse(byId("data").textContent);
  let chosen = Number(/^#trial=(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  if (Number.isNaN(chosen)) chosen = null;

  const rowOf = trial => data.rows.find(row => row[0] === trial);
  const place = name => 8 + data.names.indexOf(name);

  const ring = (figure, trial) => {  // where the chosen trial stands in a figure
    const row = trial === null ? null : rowOf(trial);
    if (!row || row[2] === null) return [[], []];
    const x = figure.param ? row[place(figure.param)] : figure.per ? (row[5] === null ? null : row[5] / figure.per) : row[0];
    return x === null || x === undefined ? [[], []] : [[x], [row[2]]];
  };

  const curves = measure => {
    const at = measure === "loss" ? 1 : 3, traces = [];
    for (const [trial, colour, words] of followed()) {
      const found = data.curves[trial];
      if (!found) continue;
      for (const [i, dash, part] of [[at, "dot", "training"], [at + 1, "solid", "validation"]]) {
        traces.push({x: found[0], y: found[i], mode: found[0].length > 1 ? "lines" : "markers", line: {color: colour, width: 2, dash},
          marker: {color: colour, size: 6}, hovertemplate: `${words} ${trial}, ${part}: %{y} in epoch %{x}<extra></extra>`});
      }
    }
    return traces;
  };

  const followed = () => {
    const list = [];
    const words = data.winner === data.best ? "best trial" : "winner, trial";
    if (data.baseline !== null && data.baseline !== data.winner) list.push([data.baseline, "@ink", "baseline, trial"]);
    if (data.winner !== null) list.push([data.winner, "@best", words]);
    if (chosen !== null && rowOf(chosen) && chosen !== data.winner && chosen !== data.baseline) list.push([chosen, "@chosen", "chosen trial"]);
    return list;
  };

  const draw = box => {
    const name = box.dataset.figure, isCurve = name.startsWith("curve-");
    const figure = isCurve ? {data: curves(name.slice(6)), layout: data.layouts[name.slice(6)]} : data.figures[name];
    if (!figure || box.closest("details:not([open])")) return;
    const traces = figure.data.map(trace => {
      if (trace.name !== "chosen") return trace;
      const [x, y] = ring(figure, chosen);
      return {...trace, x, y, customdata: x.length ? [chosen] : []};
    });
    drawFigure(box, traces, figure.layout, () => box.on("plotly_click", event => {
      const trial = event.points.find(point => Number.isInteger(point.customdata))?.customdata;
      if (trial !== undefined) choose(trial === chosen ? null : trial);
    }));
  };
  const drawAll = () => document.querySelectorAll(".figure").forEach(draw);
  const drawSoon = () => drawInTurn(draw);

  const legend = () => {
    const box = byId("curves-of");
    byId("curves-section").classList.toggle("bare", followed().length === 0);
    box.replaceChildren(...followed().map(([trial, colour, words]) => {
      const key = document.createElement("span");
      key.className = `key curve of-${colour.slice(1) === "ink" ? "baseline" : colour.slice(1)}`;
      const row = rowOf(trial);
      key.textContent = `${words} ${trial}` + (row && row[2] !== null ? ` (${row[2].toFixed(2)} %, ${row[1]})` : "");
      return key;
    }));
  };

  const table = trialTable(byId("table"), byId("more"), byId("filtered"), trial => choose(trial));
  const choose = trial => {
    chosen = trial;
    history.replaceState(null, "", trial === null ? location.pathname + location.search : `#trial=${trial}`);
    table.set(data, chosen);
    legend();
    drawSoon();
  };

  const show = () => {
    showCopies();
    document.querySelectorAll("details").forEach(box => { box.ontoggle = drawSoon; });
    table.set(data, chosen);
    legend();
    drawSoon();
  };
  show();
  byId("filter").addEventListener("input", event => table.filter(event.target.value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    document.querySelectorAll("details").forEach(box => { box.open = true; });
    table.all();
    drawAll();
  });
  addEventListener("afterprint", () => { root.classList.remove("printing"); drawSoon(); });
  followNews(fresh => { data = fresh; show(); });
  root.dataset.ready = "";
})();
