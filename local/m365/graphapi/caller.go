package graphapi

import (
	"slices"
	"strings"
)

// Caller is who a valid token speaks for.
type Caller struct {
	Tenant string   // id of the tenant that issued it
	App    string   // client id
	Roles  []string // application permissions; empty in a delegated token
	Scopes []string // delegated permissions
	User   string   // object id of the signed-in user, "" for an app
}

// Tokens checks access tokens.
type Tokens interface {
	// Check reads an Authorization header. host is the request's Host, for the
	// audience. Its error becomes 401 InvalidAuthenticationToken; a *Refusal
	// chooses the words.
	Check(authorization, host string) (Caller, error)
}

// Refusal is why a token was not accepted.
type Refusal struct {
	Code    string // InvalidAuthenticationToken when empty
	Message string
	// Claims is a Conditional Access challenge, base64, for WWW-Authenticate.
	Claims string
}

func (r *Refusal) Error() string { return "graphapi: token refused: " + r.Message }

// appOnly reports whether no user is signed in.
func (c Caller) appOnly() bool { return c.User == "" }

// need is what a request wants to do with a calendar.
type need int

const (
	readBasic need = iota
	read
	write
)

// is reports whether a user is the one who is signed in.
func (c Caller) is(user string) bool { return !c.appOnly() && strings.EqualFold(c.User, user) }

// has reports whether a permission was granted: of the app, or in the user's name.
func (c Caller) has(name string) bool {
	granted := c.Scopes
	if c.appOnly() {
		granted = c.Roles
	}
	return slices.ContainsFunc(granted, func(g string) bool { return strings.EqualFold(g, name) })
}

// may reports whether the caller's permissions cover what is wanted (section 12).
func (c Caller) may(n need) bool {
	switch {
	case c.has("Calendars.ReadWrite"):
		return true
	case c.has("Calendars.Read"):
		return n <= read
	case c.has("Calendars.ReadBasic"), c.appOnly() && c.has("Calendars.ReadBasic.All"):
		return n <= readBasic
	}
	return false
}

// mayShared is may for calendars that others share with the user (section 12).
func (c Caller) mayShared(n need) bool {
	return c.has("Calendars.ReadWrite.Shared") || n <= read && c.has("Calendars.Read.Shared")
}

// basicOnly reports whether bodies and extensions are hidden from the caller.
func (c Caller) basicOnly() bool { return c.may(readBasic) && !c.may(read) && !c.mayShared(read) }
