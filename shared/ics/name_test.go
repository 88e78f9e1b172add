package ics_test

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/ics"
)

func TestAFileNameIsSafeEverywhere(t *testing.T) {
	tests := []struct{ title, locale, want string }{
		{"AY1331 Helsinki - London", "en", "AY1331 Helsinki - London.ics"},
		{"../../etc/passwd", "en", "etc passwd.ics"},
		{`C:\boot.ini; "x" <y>|?*%20`, "en", "C boot.ini x y 20.ics"},
		{"a\r\nContent-Type: text/html\x00", "en", "a Content-Type text html.ics"},
		{"annual\u202Efdp.exe", "en", "annualfdp.exe.ics"},
		{"", "de-DE", "Termin.ics"},
		{" . ", "fi", "Varaus.ics"},
		{"///", "ja", "予約.ics"},
		{"con", "nb", "Bestilling con.ics"},
		{"LPT1.txt", "ru", "Бронирование LPT1.txt.ics"},
		{"AUX", "xx", "Booking AUX.ics"},
		{"Sauna 🧖‍♀️", "", "Sauna 🧖‍♀️.ics"},
		{strings.Repeat("日", 255), "", strings.Repeat("日", 33) + ".ics"},
		{"\xff\xfe", "", "Booking.ics"},
	}
	for _, test := range tests {
		if got := ics.Name(test.title, test.locale); got != test.want {
			t.Errorf("%q: %q, want %q", test.title, got, test.want)
		}
	}
}

func TestTheHeaderCarriesTheName(t *testing.T) {
	for _, title := range []string{"AY1331", "Ääkkönen", "日本 & 'x' (y)", `a"b\c`, "Sauna 🧖‍♀️", "100 %"} {
		header := ics.Disposition(title + ".ics")
		kind, parameters, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || parameters["filename"] != title+".ics" {
			t.Errorf("%s: %q, %v, %v", header, kind, parameters, err)
		}
		for _, r := range header {
			if r < ' ' || r > '~' {
				t.Errorf("%q is not ASCII", header)
			}
		}
	}
}

func TestTheContentTypeNamesTheMethod(t *testing.T) {
	kind, parameters, err := mime.ParseMediaType(ics.ContentType(ics.Cancel))
	if err != nil || kind != "text/calendar" || parameters["method"] != "CANCEL" || parameters["charset"] != "utf-8" {
		t.Error(kind, parameters, err)
	}
}

func FuzzName(f *testing.F) {
	f.Add("AY1331 Helsinki - London")
	f.Add("../con.\u202e\xff")
	f.Fuzz(func(t *testing.T, title string) {
		name := ics.Name(title, "en")
		if !utf8.ValidString(name) || len(name) > 120 || len(name) < 5 || !strings.HasSuffix(name, ".ics") || strings.ContainsAny(name, "/\\\":;\r\n\x00%*?<>|") || name[0] == '.' {
			t.Errorf("%q", name)
		}
		_, parameters, err := mime.ParseMediaType(ics.Disposition(name))
		if err != nil || parameters["filename"] != name {
			t.Errorf("%q: %v, %v", name, parameters, err)
		}
	})
}
