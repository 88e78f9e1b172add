"use strict";
// Loads the page again when the mailbox has changed. While a card is open, whose form somebody
// may be filling in, it says so instead.
const shown = document.querySelector("[data-version]").dataset.version;
const address = "/calendars/version" + location.search;

async function look() {
  try {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.ok && (await answer.text()) !== shown) {
      if (!document.querySelector("details[open]")) {
        location.reload();
        return;
      }
      document.getElementById("changed").textContent = "The calendar has changed. It is shown when you close the event.";
    }
  } catch {
    // The simulator is gone; it may come back.
  }
  setTimeout(look, 1000);
}
setTimeout(look, 1000);
