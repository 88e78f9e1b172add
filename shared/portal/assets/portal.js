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
  // What changes by itself soon is looked at sooner.
  const later = () => setTimeout(again, document.querySelector("[data-live] [data-busy]") ? 2000 : 10000);
  const again = async () => {
    if (Date.now() > until) return;
    if (!document.hidden) {
      try {
        const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, redirect: "error" });
        if (!answer.ok) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts) {
          const next = page.getElementById(part.id);
          if (next && next.textContent !== part.textContent && !part.contains(document.activeElement)) {
            part.replaceChildren(...next.childNodes);
            copying(part);
          }
        }
      } catch {
        // The network was away for a moment, or the session is over: the next round tells.
      }
    }
    later();
  };
  later();
})();
