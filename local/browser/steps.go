package browser

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Open goes to an address.
func (p *Person) Open(url string) {
	p.t.Helper()
	p.do("open "+url, chromedp.Navigate(url))
}

// Back presses the browser's back button.
func (p *Person) Back() {
	p.t.Helper()
	p.do("back", chromedp.NavigateBack())
}

// Reload presses the browser's reload button.
func (p *Person) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Press presses a button or link that has these words, all of them.
func (p *Person) Press(words string) {
	p.t.Helper()
	p.do(fmt.Sprintf("press %q", words), chromedp.Click(named(`//button | //a | //input[@type="submit"] | //summary`, words), chromedp.BySearch, chromedp.NodeVisible))
}

// Fill writes into the field with a label, over what is there.
func (p *Person) Fill(label, text string) {
	p.t.Helper()
	field := labelled(label)
	p.do(fmt.Sprintf("fill in %q", label), chromedp.Clear(field, chromedp.BySearch, chromedp.NodeVisible), chromedp.SendKeys(field, text, chromedp.BySearch))
}

// Tick picks the checkbox, radio button or option with a label.
func (p *Person) Tick(label string) {
	p.t.Helper()
	p.do(fmt.Sprintf("tick %q", label), chromedp.Click(`//label[contains(normalize-space(.), `+quoted(label)+`)]`, chromedp.BySearch, chromedp.NodeVisible))
}

// Sees waits until a page that has been loaded whole, with its style, shows a text, whatever
// page that is by then.
func (p *Person) Sees(text string) {
	p.t.Helper()
	p.Until(fmt.Sprintf("%q", text), func() bool { return p.Shows(text) && p.Holds(`document.readyState === "complete"`) })
}

// Until waits until something holds; what names it.
func (p *Person) Until(what string, holds func() bool) {
	p.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(end) {
			p.t.Fatalf("%s is not there after %v, at %s, where it says:\n%s", what, patience, p.where(), p.words())
		}
	}
}

// Holds reports whether an expression is true on the page; it is not while one page
// makes place for another.
func (p *Person) Holds(expression string) (holds bool) {
	return p.try(chromedp.Evaluate(expression, &holds)) == nil && holds
}

// Shows reports whether the page shows a text at this moment.
func (p *Person) Shows(text string) bool {
	p.t.Helper()
	return strings.Contains(strings.Join(strings.Fields(p.words()), " "), text)
}

// Text is what the page shows.
func (p *Person) Text() string { return p.words() }

// URL is where the person is.
func (p *Person) URL() string { return p.where() }

// Value is what the field with a label holds.
func (p *Person) Value(label string) (text string) {
	p.t.Helper()
	p.do(fmt.Sprintf("read %q", label), chromedp.Value(labelled(label), &text, chromedp.BySearch))
	return text
}

// Key types keys wherever the focus is.
func (p *Person) Key(keys string) {
	p.t.Helper()
	p.do("type", chromedp.KeyEvent(keys))
}

// Evaluate runs a script on the page, which the page itself cannot.
func (p *Person) Evaluate(script string, result any) {
	p.t.Helper()
	p.do("evaluate", chromedp.Evaluate(script, result))
}

// WithoutScripts switches JavaScript off for what is opened from now on.
func (p *Person) WithoutScripts() {
	p.t.Helper()
	p.do("switch scripts off", emulation.SetScriptExecutionDisabled(true))
}

// Hurry makes timers of scripts on pages that are opened from now on run out so many times as
// fast. Waits tells how long they were meant to be.
func (p *Person) Hurry(times int) {
	p.t.Helper()
	script := fmt.Sprintf(`(() => {
		const real = window.setTimeout;
		window.waited = [];
		window.setTimeout = (f, ms, ...more) => { window.waited.push(ms); return real(f, ms / %d, ...more); };
	})()`, times)
	p.do("hurry", chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
}

// Waits are the spans that scripts of a page waited for since it was opened, in
// milliseconds; see Hurry.
func (p *Person) Waits() (milliseconds []int) {
	p.t.Helper()
	p.Evaluate("window.waited", &milliseconds)
	return milliseconds
}

// Phone makes the window as narrow as a small telephone, 320 pixels.
func (p *Person) Phone() {
	p.t.Helper()
	p.do("narrow the window", chromedp.EmulateViewport(320, 640, chromedp.EmulateMobile))
}

// Dark asks pages for dark colours.
func (p *Person) Dark() {
	p.t.Helper()
	p.do("darken", emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
}

// Desktop undoes Phone and Dark.
func (p *Person) Desktop() {
	p.t.Helper()
	p.do("widen the window", chromedp.EmulateViewport(width, height),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}))
}

// Width makes the window as wide as so many pixels.
func (p *Person) Width(pixels int64) {
	p.t.Helper()
	p.do("change the window", chromedp.EmulateViewport(pixels, height))
}

// Accessible fails the test for each rule of axe-core that the page breaks.
func (p *Person) Accessible() {
	p.t.Helper()
	for _, v := range p.Broken() {
		p.t.Errorf("%s: %s", p.where(), v)
	}
}

// Broken are the rules of axe-core that the page breaks, each with where.
func (p *Person) Broken() (violations []string) {
	p.t.Helper()
	const run = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v =>
		v.id + ": " + v.help + " — " + v.nodes.map(n => n.target.join(" ")).join(", ")))`
	var ignored any
	p.do("run axe-core", chromedp.Evaluate(p.b.axe+"; true", &ignored),
		chromedp.Evaluate(run, &violations, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return violations
}

// named is an XPath for elements with words in their text, value or label.
func named(elements, words string) string {
	q := quoted(words)
	return fmt.Sprintf(`(%s)[contains(normalize-space(.), %s) or contains(@value, %s) or contains(@aria-label, %s)]`, elements, q, q, q)
}

func labelled(label string) string {
	q := quoted(label)
	return fmt.Sprintf(`(//input | //select | //textarea)[@id = //label[contains(normalize-space(.), %s)]/@for or ancestor::label[contains(normalize-space(.), %s)] or contains(@aria-label, %s)]`, q, q, q)
}

// quoted is an XPath string, which knows no escapes.
func quoted(s string) string {
	if !strings.Contains(s, `"`) {
		return `"` + s + `"`
	}
	return `concat("` + strings.Join(strings.Split(s, `"`), `", '"', "`) + `")`
}
