package state

import "time"

// Roles that links and sessions have (identity.md section 1).
const (
	OrgAdmin    = "org-admin"
	EntraAdmin  = "entra-admin"
	LinkUser    = "user"
	RoomManager = "room-manager"
)

// Link is what the opaque id in a link's URL stands for. Only its id, role and a
// signature are in the URL.
type Link struct {
	ID           string    `json:"-"` // 26 characters, key.Random
	ETag         string    `json:"-"`
	Role         string    `json:"role"`
	Organization string    `json:"organization"`
	User         string    `json:"user,omitempty"`
	Email        string    `json:"email,omitempty"`
	Locale       string    `json:"locale,omitempty"`
	ReturnURL    string    `json:"returnUrl,omitempty"` // "" or below an allowed origin
	By           string    `json:"by,omitempty"`        // who made it, as the page names them; "" for the booking app
	Created      time.Time `json:"created"`
	Expires      time.Time `json:"expires"`
	// Browser is the SHA-256, base64url, of the cookie of the browser that exchanged
	// the link; "" until it was, and always for entra-admin, which any number may.
	Browser string `json:"browser,omitempty"`
	// Session is the grant that the exchange made.
	Session string `json:"session,omitempty"`
	// Opened is when somebody last looked at it, a mail scanner included; zero for never.
	Opened time.Time `json:"opened,omitzero"`
	// Ended is when it was replaced, revoked, or its consent was bound; zero while it holds.
	Ended time.Time `json:"ended,omitzero"`
}

// Live reports whether the link can be used at an instant.
func (l Link) Live(now time.Time) bool { return l.Ended.IsZero() && now.Before(l.Expires) }

// Session is what a link was exchanged for: a grant of one role in one organisation
// to one browser. Pages name it in their path, and the cookie by its name.
type Session struct {
	ID           string    `json:"-"` // the grant, 26 characters, key.Random
	ETag         string    `json:"-"`
	Browser      string    `json:"browser"` // SHA-256, base64url, of the cookie's value
	Role         string    `json:"role"`
	Organization string    `json:"organization"`
	User         string    `json:"user,omitempty"`
	Email        string    `json:"email,omitempty"`
	Locale       string    `json:"locale,omitempty"`
	ReturnURL    string    `json:"returnUrl,omitempty"`
	Link         string    `json:"link"` // the link's id
	Created      time.Time `json:"created"`
	Expires      time.Time `json:"expires"`
}

// Flow is one attempt to consent or to sign in, from leaving for Microsoft to its
// outcome. Its id is the first part of OAuth's state parameter.
type Flow struct {
	ID           string `json:"-"` // 26 characters, key.Random
	ETag         string `json:"-"`
	Kind         string `json:"kind"` // the portal's own word: consent, connect, activate
	Organization string `json:"organization"`
	User         string `json:"user,omitempty"`
	Link         string `json:"link,omitempty"`
	Session      string `json:"session,omitempty"`
	// Browser and State are the SHA-256, base64url, of the flow cookie's value and of
	// the secret half of the state parameter.
	Browser string    `json:"browser"`
	State   string    `json:"state"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// Used is when its callback came; zero before. A state is good for one.
	Used time.Time `json:"used,omitzero"`
	// Step and Outcome are the portal's own words; Outcome is "" until the flow ended.
	Step    string `json:"step,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Detail is the portal's own document of the flow, without secrets.
	Detail []byte `json:"detail,omitempty"`
	// Sealed is what must be secret for as long as the flow lasts (PKCE verifier,
	// nonce, tokens before they are confirmed), sealed by the caller.
	Sealed []byte `json:"-"`
}
