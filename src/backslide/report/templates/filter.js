(() => {
  "use strict";
  const tools = document.querySelector(".tools");
  if (!tools) return;
  const query = tools.querySelector("input[type=search]");
  const levels = [...tools.querySelectorAll("input[type=checkbox]")];
  const count = tools.querySelector("output");
  const items = [...document.querySelectorAll("[data-level]")];
  const groups = [...document.querySelectorAll(".check, .step")];
  const opened = new Set();
  const texts = new Map();
  const textOf = (item) => {
    if (!texts.has(item)) {
      const copy = item.cloneNode(true);
      copy.querySelectorAll("svg").forEach((drawing) => drawing.remove());
      texts.set(item, copy.textContent.replace(/\s+/g, " ").toLowerCase());
    }
    return texts.get(item);
  };
  const unfold = (item) => {
    for (let fold = item.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      if (!fold.open) { fold.open = true; opened.add(fold); }
    }
  };
  const apply = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = new Set(levels.filter((box) => box.checked).map((box) => box.value));
    const active = words.length > 0 || chosen.size > 0;
    let shown = 0;
    opened.forEach((fold) => { fold.open = false; });
    opened.clear();
    for (const item of items) {
      const fits = (!chosen.size || chosen.has(item.dataset.level)) && words.every((word) => textOf(item).includes(word));
      item.hidden = !fits;
      shown += fits;
      if (fits && active) unfold(item);
    }
    for (const group of groups) {
      const inside = group.querySelectorAll("[data-level]");
      group.hidden = active && ![...inside].some((item) => !item.hidden);
    }
    document.documentElement.classList.toggle("filtering", active);
    count.textContent = active ? `${shown} of ${items.length} shown` : `${items.length} entries`;
  };
  const clear = () => {
    query.value = "";
    levels.forEach((box) => { box.checked = false; });
    apply();
  };
  let waiting = 0;
  query.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  levels.forEach((box) => box.addEventListener("change", apply));
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "Escape" && tools.contains(event.target)) {
      clear();
    }
  });
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.closest("[hidden]")) clear();
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  const printed = [];
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open])").forEach((fold) => { fold.open = true; printed.push(fold); });
  });
  addEventListener("afterprint", () => { printed.splice(0).forEach((fold) => { fold.open = false; }); });
  tools.hidden = false;
  apply();
  if (location.hash) reveal();
})();
