/* Reads calendar files with libical and prints what it understands of them, in
 * the form that icaljs.mjs prints too: one JSON array with an object per file.
 *
 *   libical file.ics...
 */
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 60 /* occurrences of a series */

static int first; /* no comma before the next element */

static void comma(void)
{
	if (!first)
		putchar(',');
	first = 0;
}

static void text(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = *s;
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void value(icalproperty *p)
{
	icalvalue *v = icalproperty_get_value(p);
	char number[32];
	char *s = NULL;

	if (!v) {
		text("");
		return;
	}
	switch (icalvalue_isa(v)) {
	case ICAL_TEXT_VALUE:
		text(icalvalue_get_text(v));
		return;
	case ICAL_X_VALUE:
		text(icalvalue_get_x(v));
		return;
	case ICAL_DURATION_VALUE:
		snprintf(number, sizeof number, "%d", icaldurationtype_as_int(icalvalue_get_duration(v)));
		text(number);
		return;
	default:
		s = icalvalue_as_ical_string_r(v);
		text(s ? s : "");
		free(s);
	}
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void parameters(icalproperty *p)
{
	char *list[32];
	int n = 0, i;
	icalparameter *q;

	for (q = icalproperty_get_first_parameter(p, ICAL_ANY_PARAMETER); q && n < 32;
	     q = icalproperty_get_next_parameter(p, ICAL_ANY_PARAMETER))
		list[n++] = icalparameter_as_ical_string_r(q);
	qsort(list, n, sizeof *list, compare);
	putchar('[');
	for (i = 0; i < n; i++) {
		char *from, *to;
		if (i)
			putchar(',');
		for (from = to = list[i]; *from; from++) /* quotes are no part of a value */
			if (*from != '"')
				*to++ = *from;
		*to = 0;
		text(list[i]);
		free(list[i]);
	}
	putchar(']');
}

static void walk(icalcomponent *c, const char *path)
{
	icalproperty *p;
	icalcomponent *sub;
	char below[256];

	for (p = icalcomponent_get_first_property(c, ICAL_ANY_PROPERTY); p;
	     p = icalcomponent_get_next_property(c, ICAL_ANY_PROPERTY)) {
		comma();
		putchar('[');
		text(path);
		putchar(',');
		text(icalproperty_get_property_name(p));
		putchar(',');
		parameters(p);
		printf(",[");
		value(p);
		printf("]]");
	}
	for (sub = icalcomponent_get_first_component(c, ICAL_ANY_COMPONENT); sub;
	     sub = icalcomponent_get_next_component(c, ICAL_ANY_COMPONENT)) {
		snprintf(below, sizeof below, "%s/%s", path, icalcomponent_kind_to_string(icalcomponent_isa(sub)));
		walk(sub, below);
	}
}

static const char *utc(struct icaltimetype t)
{
	if (!t.is_date)
		t = icaltime_convert_to_zone(t, icaltimezone_get_utc_timezone());
	return icaltime_as_ical_string(t);
}

static void instants(icalcomponent *calendar)
{
	icalcomponent *e;
	char both[64];

	first = 1;
	for (e = icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT); e;
	     e = icalcomponent_get_next_component(calendar, ICAL_VEVENT_COMPONENT)) {
		if (!icalcomponent_get_first_property(e, ICAL_DTSTART_PROPERTY))
			continue;
		strcpy(both, utc(icalcomponent_get_dtstart(e)));
		strcat(both, "/");
		strcat(both, utc(icalcomponent_get_dtend(e)));
		comma();
		text(both);
	}
}

/* occurrences expands the rule, without what is left out. */
static void occurrences(icalcomponent *calendar)
{
	icalcomponent *e;
	icalproperty *rule = NULL;
	icalrecur_iterator *next;
	struct icaltimetype start, at;
	int n = 0;

	for (e = icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT); e;
	     e = icalcomponent_get_next_component(calendar, ICAL_VEVENT_COMPONENT))
		if ((rule = icalcomponent_get_first_property(e, ICAL_RRULE_PROPERTY)))
			break;
	first = 1;
	if (!rule)
		return;
	start = icalcomponent_get_dtstart(e);
	next = icalrecur_iterator_new(icalproperty_get_rrule(rule), start);
	while (next && n < MOST && !icaltime_is_null_time(at = icalrecur_iterator_next(next))) {
		if (icalproperty_recurrence_is_excluded(e, &start, &at))
			continue;
		comma();
		text(utc(at));
		n++;
	}
	if (next)
		icalrecur_iterator_free(next);
}

static char *slurp(const char *name)
{
	FILE *f = fopen(name, "rb");
	size_t n = 0, room = 1 << 20;
	char *all = malloc(room + 1);

	if (!f || !all) {
		perror(name);
		exit(1);
	}
	for (size_t got; (got = fread(all + n, 1, room - n, f)) > 0;)
		if ((n += got) == room)
			all = realloc(all, (room *= 2) + 1);
	all[n] = 0;
	fclose(f);
	return all;
}

int main(int argc, char **argv)
{
	icalerror_set_errors_are_fatal(0);
	for (int i = 1; i < argc; i++) {
		char *all = slurp(argv[i]);
		icalcomponent *calendar = icalparser_parse_string(all);

		if (!calendar || icalcomponent_isa(calendar) != ICAL_VCALENDAR_COMPONENT) {
			fprintf(stderr, "%s: no calendar\n", argv[i]);
			return 1;
		}
		printf("%s{\"errors\":%d,\"lines\":[", i > 1 ? "," : "[", icalcomponent_count_errors(calendar));
		first = 1;
		walk(calendar, "VCALENDAR");
		printf("],\"instants\":[");
		instants(calendar);
		printf("],\"occurrences\":[");
		occurrences(calendar);
		printf("]}");
		icalcomponent_free(calendar);
		free(all);
	}
	printf("]\n");
	return 0;
}
