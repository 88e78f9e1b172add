package link

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/problem"
	"github.com/calbridge/calbridge/shared/state"
)

// How long links last (identity.md section 1).
const (
	defaultLife = 15 * time.Minute
	longestLife = 7 * 24 * time.Hour
	entraLife   = 30 * 24 * time.Hour // of entra-admin, as the default and the most
)

// MaxDocument bounds the body of POST links, in bytes.
const MaxDocument = 16 << 10

const (
	maxAddress   = 320 // characters
	maxLocale    = 35
	maxReturnURL = 2048
)

// Request is what POST links asks for.
type Request struct {
	Organization, Role string
	User, Email        string // of roles user and room-manager, User is there
	Locale             string // BCP 47; "" is the organisation's
	ReturnURL          string // "" or below an allowed origin
	Life               time.Duration
	By                 string // who makes it, for pages; "" is the booking app
}

// Roles are the closed list of roles.
func Roles() []string {
	return []string{state.OrgAdmin, state.EntraAdmin, state.LinkUser, state.RoomManager}
}

// The form of an address in booking.v1.json, and of a language tag (RFC 5646, section 2.1,
// without the grandfathered ones).
var (
	address = regexp.MustCompile(`^[^@\s<>()\[\],;:\\"\x00-\x1f\x7f-\x{9f}]+@[^@\s<>()\[\],;:\\"\x00-\x1f\x7f-\x{9f}]+$`)
	locale  = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)
)

// decoder collects faults.
type decoder struct {
	members map[string]any
	faults  []problem.Fault
}

func (d *decoder) fault(member, code, detail string, args ...any) {
	pointer := ""
	if member != "" {
		pointer = "/" + problem.Escape(member)
	}
	d.faults = append(d.faults, problem.Fault{Pointer: pointer, Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// Decode reads the body of POST links (identity.md section 1) and reports every
// fault at once. origins are the allowed return origins, as browsers write them. An
// unknown member is refused: a misspelt returnUrl would leave people nowhere to go; and
// so is one that is there twice.
// A member that is null is absent.
func Decode(body []byte, origins []string) (Request, []problem.Fault) {
	d := &decoder{}
	d.root(body)
	if len(d.faults) > 0 {
		return Request{}, d.faults
	}
	r := Request{Organization: d.organization(), Role: d.role(), User: d.text("user", booking.MaxID), Email: d.text("email", maxAddress),
		Locale: d.text("locale", maxLocale), ReturnURL: d.text("returnUrl", maxReturnURL)}
	signsIn := r.Role == state.LinkUser || r.Role == state.RoomManager
	if signsIn && r.User == "" && !d.faulty("user") {
		d.fault("user", booking.CodeRequired, "A link of this role is a person's: this must be their id.")
	}
	if r.Email != "" && !address.MatchString(r.Email) {
		d.fault("email", booking.CodeFormat, "This must be an e-mail address.")
	}
	if r.Locale != "" && !locale.MatchString(r.Locale) {
		d.fault("locale", booking.CodeFormat, "This must be a language tag such as en, nb or de-AT.")
	}
	if r.ReturnURL != "" && !MayReturn(r.ReturnURL, origins) {
		d.fault("returnUrl", "origin", "People may not be sent back there: its origin is not one of ALLOWED_RETURN_ORIGINS.")
	}
	r.Life = d.life(r.Role)
	d.unknown("organization", "role", "user", "email", "locale", "returnUrl", "expiresInMinutes")
	if len(d.faults) > 0 {
		return Request{}, d.faults
	}
	return r, nil
}

func (d *decoder) root(body []byte) {
	if !utf8.Valid(body) {
		d.fault("", booking.CodeEncoding, "The document is not UTF-8.")
		return
	}
	reader := json.NewDecoder(bytes.NewReader(body))
	reader.UseNumber()
	var value any
	if err := reader.Decode(&value); err != nil {
		d.fault("", booking.CodeSyntax, "The document is not JSON.")
		return
	}
	if _, err := reader.Token(); err != io.EOF {
		d.fault("", booking.CodeSyntax, "Something follows the JSON document.")
		return
	}
	members, ok := value.(map[string]any)
	if !ok {
		d.fault("", booking.CodeType, "The document must be an object.")
	}
	d.members = members
	d.faults = append(d.faults, problem.Twice(body)...)
}

// text reads a string of at most max characters, "" when it is absent.
func (d *decoder) text(member string, max int) string {
	value := d.members[member]
	text, ok := value.(string)
	switch {
	case value == nil:
	case !ok:
		d.fault(member, booking.CodeType, "This must be a string.")
		return ""
	case utf8.RuneCountInString(text) > max:
		d.fault(member, booking.CodeTooLong, "This must be at most %d characters.", max)
		return ""
	case strings.ContainsFunc(text, unicode.IsControl):
		d.fault(member, booking.CodeFormat, "This must not contain control characters.")
		return ""
	}
	return text
}

func (d *decoder) organization() string {
	id := d.text("organization", 64)
	switch {
	case d.faulty("organization"):
	case id == "":
		d.fault("organization", booking.CodeRequired, "This must be the organisation's id.")
	case !organization.ValidID(id):
		d.fault("organization", booking.CodeFormat, "This is not an id of an organisation.")
	}
	return id
}

func (d *decoder) role() string {
	role := d.text("role", 64)
	switch {
	case d.faulty("role") || slices.Contains(Roles(), role):
	case role == "":
		d.fault("role", booking.CodeRequired, "This must be one of %s.", strings.Join(Roles(), ", "))
	default:
		d.fault("role", "value", "This must be one of %s.", strings.Join(Roles(), ", "))
	}
	return role
}

func (d *decoder) life(role string) time.Duration {
	life, most := defaultLife, longestLife
	if role == state.EntraAdmin {
		life, most = entraLife, entraLife
	}
	value := d.members["expiresInMinutes"]
	if value == nil {
		return life
	}
	number, ok := value.(json.Number)
	minutes, err := number.Int64()
	switch {
	case !ok || err != nil:
		d.fault("expiresInMinutes", booking.CodeType, "This must be an integer.")
	case minutes < 1 || minutes > int64(most/time.Minute):
		d.fault("expiresInMinutes", "range", "This must be 1 to %d.", most/time.Minute)
	default:
		life = time.Duration(minutes) * time.Minute
	}
	return life
}

func (d *decoder) faulty(member string) bool {
	return slices.ContainsFunc(d.faults, func(f problem.Fault) bool { return f.Pointer == "/"+member })
}

func (d *decoder) unknown(known ...string) {
	for _, name := range slices.Sorted(maps.Keys(d.members)) {
		if !slices.Contains(known, name) {
			d.faults = append(d.faults, problem.Fault{Pointer: "/" + problem.Escape(name), Code: "unknown-member", Detail: "There is no such member."})
		}
	}
}

// MayReturn reports whether people may be sent to a URL: its origin, which must be
// https or on loopback http, is one of origins as browsers write them, and nothing
// in it could be read as another origin by a browser (URL Standard, section 4.4: a
// backslash is a slash there, tabs and line ends vanish, and what stands before an
// at sign is no host).
func MayReturn(to string, origins []string) bool {
	if strings.ContainsFunc(to, func(c rune) bool { return c == '\\' || c <= ' ' || c == 0x7f || c > unicode.MaxASCII }) {
		return false
	}
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Opaque != "" || u.Host == "" || strings.Contains(u.Host, "@") {
		return false
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if scheme != "https" && !(scheme == "http" && loopback(host)) {
		return false
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && !(scheme == "https" && port == "443" || scheme == "http" && port == "80") {
		host += ":" + port
	}
	return slices.Contains(origins, scheme+"://"+host)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
