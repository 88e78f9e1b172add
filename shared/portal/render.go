package portal

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// layoutFile holds what every page has around it, partFiles what several have within; the
// other files define main.
const (
	layoutFile = "templates/layout.html"
	partFiles  = "templates/part-*.html"
)

// templates are the pages' by file name without .html, each with the layout.
type templates map[string]*template.Template

func readTemplates() (templates, error) {
	layout, err := template.New("layout.html").Option("missingkey=error").ParseFS(templateFiles, layoutFile, partFiles)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := templates{}
	for _, name := range names {
		if name == layoutFile || strings.HasPrefix(path.Base(name), "part-") {
			continue
		}
		t, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if _, err := t.ParseFS(templateFiles, name); err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return all, nil
}

// document is what a template sees as $.
type document struct {
	visit *visit
	// Form is the token for every form of the page; "" where it has none.
	Form string
	Data any
}

// page answers with a page: the template of that name, with data as $.Data.
func (v *visit) page(status int, name string, data any) Answer {
	d := document{visit: v, Data: data}
	if v.browser != "" {
		d.Form = v.formToken()
	}
	var body bytes.Buffer
	t, ok := v.portal.templates[name]
	err := fmt.Errorf("portal: there is no page %q", name)
	if ok {
		err = t.Execute(&body, d)
	}
	if err != nil { // a fault of ours, which golden files find
		return Answer{Status: 500, Header: v.portal.headers("text/plain; charset=utf-8"), Body: []byte("Something went wrong here."), Cause: err}
	}
	return v.with(Answer{Status: status, Header: v.portal.headers("text/html; charset=utf-8"), Body: body.Bytes()})
}

// words are the placeholders that every text may use, and those of pairs.
func (v *visit) words(pairs []string) map[string]string {
	w := map[string]string{"organization": cmp.Or(v.organizationName(), v.lang.text("organization.unnamed", nil)), "product": v.productName()}
	for name, word := range glossary {
		w[name] = v.lang.text(word.key, nil)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		w[pairs[i]] = apart(pairs[i+1])
	}
	return w
}

// productName is the booking product's, as people know it; a word for it where the
// organisation names none.
func (v *visit) productName() string {
	return cmp.Or(apart(v.org.Product.Name), v.lang.text("product.unnamed", nil))
}

// organizationName is the organisation's; "" on a page that is about none.
func (v *visit) organizationName() string { return apart(cmp.Or(v.org.DisplayName, v.org.ID)) }

// T is the text of a key; pairs are name, value, … of its placeholders.
func (d document) T(key string, pairs ...string) string {
	return d.visit.lang.text(key, d.visit.words(pairs))
}

// M is T with pairs as a list.
func (d document) M(key string, pairs []string) string { return d.T(key, pairs...) }

// N is the text of a number of things, <key>.one or <key>.other with {n}.
func (d document) N(key string, n int, pairs ...string) string {
	return d.T(plural(key, n), append([]string{"n", strconv.Itoa(n)}, pairs...)...)
}

// With is the document with other data, for a part of a page.
func (d document) With(data any) document { d.Data = data; return d }

// Join lists words.
func (d document) Join(words []string) string { return strings.Join(words, ", ") }

// Ask is why a person is asked for a permission, by its short name.
func (d document) Ask(permission string) string { return d.T("ask." + strings.ToLower(permission)) }

// Apart is a name that somebody else wrote, as it stands in a text.
func (d document) Apart(name string) string { return apart(name) }

// Lang is the page's language.
func (d document) Lang() string { return d.visit.lang.tag }

// Product is the booking product's name.
func (d document) Product() string { return d.visit.productName() }

// Organization is the organisation's name; "" on a page that is about none.
func (d document) Organization() string { return d.visit.organizationName() }

// Asset is the path of a file of assets.
func (d document) Asset(name string) string {
	return d.visit.portal.path("assets", d.visit.portal.assets.current[name])
}

// Path is that of a page: portal/<parts…>.
func (d document) Path(parts ...string) string { return d.visit.portal.path(parts...) }

// Here is the path of this page, or of an action of it.
func (d document) Here(action ...string) string {
	parts := []string{d.visit.name}
	if d.visit.id != "" {
		parts = append(parts, d.visit.id)
	}
	return d.visit.portal.path(append(parts, action...)...)
}

// Back is where the person came from, "" where that is not known or not allowed.
func (d document) Back() string {
	if to := d.visit.session.ReturnURL; to != "" && d.visit.portal.mayReturn(to) {
		return to
	}
	return ""
}

// When is an instant as people of the organisation read it, with its time zone.
func (d document) When(t time.Time) string { return d.visit.when(t) }

// Clock is the time of day of an instant.
func (d document) Clock(t time.Time) string { return t.In(d.visit.zone()).Format("15:04") }

// Moment is Clock of an instant of today, else When.
func (d document) Moment(t time.Time) string {
	if d.Today(t) {
		return d.Clock(t)
	}
	return d.When(t)
}

// Today reports whether an instant is of the day that it is for people of the organisation.
func (d document) Today(t time.Time) bool {
	zone := d.visit.zone()
	return t.In(zone).Format(time.DateOnly) == d.visit.now.In(zone).Format(time.DateOnly)
}

// Stamp is an instant for machines (the datetime of a time element).
func (d document) Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (v *visit) when(t time.Time) string {
	zone := v.zone()
	month := v.lang.text("month."+strconv.Itoa(int(t.In(zone).Month())), nil)
	return v.lang.text("when", map[string]string{"day": strconv.Itoa(t.In(zone).Day()), "month": month,
		"year": strconv.Itoa(t.In(zone).Year()), "time": t.In(zone).Format("15:04"), "zone": zone.String()})
}

// zone is the organisation's time zone, UTC where it is unknown.
func (v *visit) zone() *time.Location {
	if zone, err := time.LoadLocation(v.org.TimeZone); err == nil && v.org.TimeZone != "" {
		return zone
	}
	return time.UTC
}
