package web

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// largestForm bounds a form, a calendar file included, in bytes.
const largestForm = 5 << 20

// do carries out what a form asks, then shows the week again.
func (p *Pages) do(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, largestForm)
	if err := r.ParseMultipartForm(largestForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		http.Error(w, "the form could not be read", http.StatusBadRequest)
		return
	}
	tenant, user := r.PostForm.Get("tenant"), r.PostForm.Get("user")
	d, err := p.deed(tenant, user, r)
	if err == nil {
		_, err = p.store.Owner(tenant, user).Do(d)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, link(tenant, user, r.PostForm.Get("day")), http.StatusSeeOther)
}

var errAction = errors.New("no such action")

// deed reads a form. An action may carry its value after a colon: answer:accepted.
func (p *Pages) deed(tenant, user string, r *http.Request) (exchange.Deed, error) {
	form := r.PostForm
	action, value, _ := strings.Cut(form.Get("action"), ":")
	d := exchange.Deed{Do: action, Event: form.Get("event"), Subject: form.Get("subject"), Status: form.Get("showAs"), Sensitivity: form.Get("sensitivity"), Response: value,
		Above: paragraph(form.Get("above")), Below: paragraph(form.Get("below")), Invite: list(form.Get("invite")), Categories: list(form.Get("categories"))}
	switch action {
	case "later":
		return p.later(tenant, user, d)
	case "add", "move", "paste":
		d.Start, d.End = wall(form, "start"), wall(form, "end")
	case "remind":
		return d, minutes(form.Get("reminder"), &d)
	case "import":
		return d, file(r, &d)
	}
	if !exchange.CanDo(action) {
		return d, errAction
	}
	return d, nil
}

// later moves an event by a day, as a drag in Outlook would.
func (p *Pages) later(tenant, user string, d exchange.Deed) (exchange.Deed, error) {
	e, err := p.store.Event(tenant, user, d.Event)
	if err != nil {
		return d, err
	}
	d.Do = "move"
	if d.Start, err = nextDay(e.Start); err != nil {
		return d, err
	}
	d.End, err = nextDay(e.End)
	return d, err
}

func nextDay(t exchange.Time) (exchange.Time, error) {
	at, err := time.Parse("2006-01-02T15:04:05.9999999", t.DateTime)
	t.DateTime = at.AddDate(0, 0, 1).Format("2006-01-02T15:04:05")
	return t, err
}

// wall reads a field of type datetime-local, which leaves the seconds out.
func wall(form url.Values, name string) exchange.Time {
	t := exchange.Time{DateTime: form.Get(name), Zone: form.Get(name + "Zone")}
	if len(t.DateTime) == len("2006-01-02T15:04") {
		t.DateTime += ":00"
	}
	return t
}

// minutes reads the reminder; an empty field turns it off.
func minutes(text string, d *exchange.Deed) error {
	if text == "" {
		d.Minutes = -1
		return nil
	}
	n, err := strconv.Atoi(text)
	d.Minutes = n
	return err
}

func file(r *http.Request, d *exchange.Deed) error {
	from, _, err := r.FormFile("file")
	if err != nil {
		return err
	}
	defer from.Close()
	d.File, err = io.ReadAll(from)
	return err
}

// list reads what is separated by commas.
func list(text string) []string {
	all := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// paragraph is a line of text as HTML; none for none.
func paragraph(text string) string {
	if text == "" {
		return ""
	}
	return "<p>" + escape(text) + "</p>"
}
