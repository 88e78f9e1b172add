// Reads calendar files with ical.js and prints what it understands of them, in
// the form that libical.c prints too: one JSON array with an object per file.
//
//   node icaljs.mjs file.ics...
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

const most = 60; // occurrences of a series

// plain is a value in the form that both readers give it.
function plain(value) {
  if (value instanceof ICAL.Duration) return String(value.toSeconds());
  if (value instanceof ICAL.Time || value instanceof ICAL.UtcOffset) return value.toICALString();
  return String(value);
}

function parameters(property) {
  const all = property.toJSON()[1];
  return Object.keys(all)
    .filter((name) => name !== "value")
    .map((name) => `${name.toUpperCase()}=${all[name]}`);
}

function walk(component, path, lines) {
  for (const property of component.getAllProperties()) {
    const shown = parameters(property);
    if (property.type === "date") shown.push("VALUE=DATE");
    lines.push([path, property.name.toUpperCase(), shown.sort(), property.getValues().map(plain)]);
  }
  for (const sub of component.getAllSubcomponents()) walk(sub, `${path}/${sub.name.toUpperCase()}`, lines);
}

const utc = (time) => (time.isDate ? time.toICALString() : time.convertToZone(ICAL.Timezone.utcTimezone).toICALString());

function instants(calendar) {
  const events = calendar.getAllSubcomponents("vevent").map((c) => new ICAL.Event(c, { strictExceptions: true }));
  const out = [];
  for (const event of events) {
    if (!event.startDate) continue;
    out.push(`${utc(event.startDate)}/${utc(event.endDate)}`);
  }
  return out;
}

// occurrences expands the rule, without what is left out.
function occurrences(calendar) {
  const master = calendar.getAllSubcomponents("vevent").find((c) => c.getFirstProperty("rrule"));
  if (!master) return [];
  const expansion = new ICAL.RecurExpansion({ component: master, dtstart: master.getFirstPropertyValue("dtstart") });
  const out = [];
  for (let next = expansion.next(); next && out.length < most; next = expansion.next()) out.push(utc(next));
  return out;
}

const files = process.argv.slice(2).map((name) => {
  const calendar = new ICAL.Component(ICAL.parse(readFileSync(name, "utf8")));
  const lines = [];
  walk(calendar, "VCALENDAR", lines);
  return { lines, instants: instants(calendar), occurrences: occurrences(calendar) };
});
console.log(JSON.stringify(files));
