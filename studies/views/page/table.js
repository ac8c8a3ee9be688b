// The table of trials: sorted by a click on a column's head, filtered by words such as "complete accuracy>80".
"use strict";
window.trialTable = (table, more, count, choose) => {
  const FIXED = ["trial", "state", "accuracy", "epochs", "seconds", "ended", "seed", "reason"];
  const HEADS = {trial: "Trial", state: "State", epochs: "Epochs", seconds: "Seconds", reason: "Reason", seed: "Seed"};
  const SHOWN = 50;
  let data = null, sorted = "trial", up = true, words = "", all = false, chosen = null;

  const columns = () => ["trial", "state", "accuracy", ...data.names, "epochs", "seconds", "reason", "seed"];
  const headOf = name => {
    if (name !== "accuracy") return HEADS[name] || name;
    return `${data.judged[0].toUpperCase()}${data.judged.slice(1)} (%)`;
  };
  const place = name => FIXED.includes(name) ? FIXED.indexOf(name) : FIXED.length + data.names.indexOf(name);
  const isText = name => name === "state" || name === "reason";
  const shown = (name, value) => {
    if (value === null || value === undefined) return "";
    if (name === "accuracy") return value.toFixed(2);
    if (typeof value === "boolean") return value ? "True" : "False";  // as commands take it
    if (typeof value === "number" && !Number.isInteger(value)) {
      return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
    }
    return String(value);
  };

  const test = word => {
    const found = /^([a-z_]+)(<=|>=|<|>|=)(.+)$/.exec(word);
    if (found && columns().concat("ended").includes(found[1])) {
      const [, name, sign, text] = found, at = place(name), number = Number(text);
      if (sign === "=") return row => String(row[at]).toLowerCase() === text || row[at] === number;
      const compare = {"<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b};
      return row => typeof row[at] === "number" && compare[sign](row[at], number);
    }
    return row => row[1].includes(word) || row[7].toLowerCase().includes(word) || String(row[0]) === word;
  };

  const compare = (a, b) => {
    if (a === null || a === undefined || b === null || b === undefined) {
      return (a === null || a === undefined) - (b === null || b === undefined);
    }
    return (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1);
  };

  const cell = (kind, text, name) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (name === "seed") made.className = name;
    if (isText(name)) {
      made.className = `text ${name}`;
      if (name === "reason") made.title = text;
    }
    return made;
  };

  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    text.split(/(?<=_)/).forEach((part, i) => made.append(...(i ? [document.createElement("wbr"), part] : [part])));
    made.addEventListener("click", act);
    return made;
  };

  const head = () => {
    const row = document.createElement("tr");
    for (const name of columns()) {
      const made = cell("th", "", name);
      made.scope = "col";
      made.setAttribute("aria-sort", name === sorted ? (up ? "ascending" : "descending") : "none");
      made.append(button(headOf(name), () => {
        up = name === sorted ? !up : name !== "accuracy";
        sorted = name;
        draw();
        [...table.tHead.rows[0].cells][columns().indexOf(name)].firstChild.focus();
      }));
      row.append(made);
    }
    table.tHead.replaceChildren(row);
  };

  const line = row => {
    const made = document.createElement("tr");
    made.className = row[1];
    if (row[0] === data.winner) made.classList.add("of-winner");
    if (row[0] === chosen) made.classList.add("chosen");
    for (const name of columns()) {
      const text = shown(name, row[place(name)]);
      const one = cell(name === "trial" ? "th" : "td", name === "trial" ? "" : text, name);
      if (name === "trial") {
        one.scope = "row";
        const pick = button(text, () => choose(row[0] === chosen ? null : row[0]));
        pick.setAttribute("aria-pressed", String(row[0] === chosen));
        pick.setAttribute("aria-label", `Trial ${text}`);
        one.append(pick);
      }
      made.append(one);
    }
    return made;
  };

  const draw = () => {
    const held = document.activeElement && table.tBodies[0].contains(document.activeElement)
      ? document.activeElement.getAttribute("aria-label") : null;
    const tests = words.toLowerCase().split(/\s+/).filter(Boolean).map(test), at = place(sorted);
    const rows = data.rows.filter(row => tests.every(passes => passes(row)));
    rows.sort((a, b) => compare(a[at], b[at]) || a[0] - b[0]);
    head();
    table.tBodies[0].replaceChildren(...(all ? rows : rows.slice(0, SHOWN)).map(line));
    more.hidden = all || rows.length <= SHOWN;
    more.textContent = `Show all ${rows.length}`;
    count.textContent = words.trim() ? `${rows.length} of ${data.rows.length}` : `${data.rows.length} in all`;
    if (held) [...table.tBodies[0].querySelectorAll("button")].find(b => b.ariaLabel === held)?.focus();
  };

  more.addEventListener("click", () => { all = true; draw(); });
  return {
    set: (found, trial) => { data = found; chosen = trial; draw(); },
    filter: text => { words = text; draw(); },
    all: () => { all = true; draw(); },
  };
};
