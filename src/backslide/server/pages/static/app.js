// Small comforts; every page works without them.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripted");

  // A choice takes effect at once: forms marked so are sent when a field changes.
  document.addEventListener("change", (event) => {
    const form = event.target.closest && event.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
  });

  // Empty fields do not belong into the address.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "get") return;
    const silent = [...form.elements].filter((field) => field.name && !field.value && !field.disabled);
    silent.forEach((field) => { field.disabled = true; });
    setTimeout(() => silent.forEach((field) => { field.disabled = false; }), 0);
  });

  // The browser's own time zone, offered once: it stands in the address only when somebody chose it.
  document.querySelectorAll("option[data-local]").forEach((option) => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const known = [...option.parentElement.options].some((other) => other !== option && other.value === zone);
    if (!zone || known) option.remove();
    else { option.value = zone; option.textContent = zone.replaceAll("_", " "); option.hidden = false; option.disabled = false; }
  });

  // What is folded away is fetched when it is unfolded.
  document.addEventListener("toggle", (event) => {
    if (!event.target.open) return;
    event.target.querySelectorAll("[data-hx-trigger^=unfold]").forEach((part) => part.dispatchEvent(new CustomEvent("unfold")));
  }, true);

  // The copy button beside a command.
  document.querySelectorAll("pre[data-copy]").forEach((block) => {
    if (!navigator.clipboard) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.textContent.trim());
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.before(button);
  });

  // Keys that go somewhere: g i, g m; / to the filter; ? lists them.
  let waiting = false;
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (waiting) {
      waiting = false;
      const link = document.querySelector(`[data-key="g ${event.key}"]`);
      if (link) { event.preventDefault(); link.click(); }
    } else if (event.key === "g") {
      waiting = true;
      setTimeout(() => { waiting = false; }, 1200);
    } else if (event.key === "/") {
      const field = document.querySelector("[data-key='/']");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    }
  });
})();
