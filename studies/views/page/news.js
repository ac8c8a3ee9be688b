// News: a served page is asked for again, and what changed in it takes the place of what was there. Figures stay,
// with their zoom; so do the scroll position, the open details and the focus. Runs before any other script of a page
// changes it.
"use strict";
const followNews = (() => {
  const root = document.documentElement;
  const text = page => page.getElementById("data").textContent;
  const source = new Map([...document.querySelectorAll("[data-part]")].map(part => [part.dataset.part, part.innerHTML]));
  const count = page => page.querySelectorAll("section, [data-part]").length;
  const parts = count(document);

  const swap = page => {
    const focus = document.activeElement?.id;
    for (const fresh of page.querySelectorAll("[data-part]")) {
      const name = fresh.dataset.part, old = document.querySelector(`[data-part="${name}"]`);
      if (!old || source.get(name) === fresh.innerHTML) continue;
      source.set(name, fresh.innerHTML);
      const open = [...old.querySelectorAll("details[open]")].map(box => box.id);
      const kept = new Map([...old.querySelectorAll(".figure")].map(box => [box.dataset.figure, box]));
      const made = document.importNode(fresh, true);
      made.querySelectorAll(".figure").forEach(box => {
        const drawn = kept.get(box.dataset.figure);
        if (drawn) { drawn.setAttribute("aria-label", box.getAttribute("aria-label")); box.replaceWith(drawn); }
      });
      open.forEach(id => made.querySelector(`#${id}`)?.setAttribute("open", ""));
      old.replaceChildren(...made.childNodes);
    }
    document.title = page.title;
    if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus({preventScroll: true});
  };

  // `redraw` is called with the data of the page as it has become, after its parts were swapped.
  return redraw => {
    if (!("live" in root.dataset)) return;
    let tag = null, shown = text(document);
    const pause = () => JSON.parse(shown).running ? 3000 : 15000;
    const look = async () => {
      let wait = null;
      try {
        if (!document.hidden) {
          const answer = await fetch(location.pathname + location.search, {cache: "no-cache"});
          if (answer.ok && answer.headers.get("ETag") !== tag) {
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            if (tag !== null || text(page) !== shown) {
              if (count(page) !== parts) return location.reload();
              shown = text(page);
              swap(page);
              redraw(JSON.parse(shown));
            }
            tag = answer.headers.get("ETag");
          }
          root.classList.remove("away");
        }
      } catch {
        root.classList.add("away");
        wait = 10000;
      }
      setTimeout(look, wait ?? pause());
    };
    setTimeout(look, pause());
  };
})();
