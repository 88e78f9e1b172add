// Copies a link, and reads the live part of a page again. Pages work without it.
(() => {
  "use strict";
  const copying = (within) => {
    for (const button of within.querySelectorAll("button[data-copy]")) {
      const field = document.getElementById(button.dataset.copy);
      const told = document.getElementById(button.dataset.told);
      if (!field || !navigator.clipboard) continue;
      button.hidden = false;
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(field.value);
          if (told) told.textContent = button.dataset.done;
        } catch {
          field.select();
        }
      });
    }
  };
  copying(document);
  const parts = [...document.querySelectorAll("[data-live]")];
  if (!parts.length) return;
  const until = Date.now() + 15 * 60000;
  let failed = 0; // how often, one after the other
  // What changes by itself soon is looked at sooner; what fails ever more rarely, but each minute.
  const later = () => {
    const pace = document.querySelector("[data-live] [data-busy]") ? 2000 : 10000;
    setTimeout(again, Math.min(pace * 2 ** failed, 60000));
  };
  const again = async () => {
    if (Date.now() > until) return;
    if (!document.hidden) {
      try {
        const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, redirect: "error" });
        if (answer.status === 401 || answer.status === 403) return; // the session is over
        if (!answer.ok) throw new Error(answer.status);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts) {
          const next = page.getElementById(part.id);
          if (next && next.textContent !== part.textContent && !part.contains(document.activeElement)) {
            part.replaceChildren(...next.childNodes);
            copying(part);
          }
        }
        failed = 0;
      } catch {
        failed++; // the network, or what answers, was away for a moment: the next round tells
      }
    }
    later();
  };
  later();
})();
