package graph

import "github.com/calbridge/calbridge/shared/key"

// Access says in whose name calls are made. It is a value that can be compared:
// calls with the same access may share a $batch.
//
// # The app
//
// Connection and Token empty: the app's own token for Tenant, which reaches every
// mailbox that the tenant's administrator consented to.
//
// # A connection
//
// Connection set: the token of the person who signed in for it. ObjectID is their
// account's and takes the place of the mailbox in every path, whatever the call
// names, so that a connection reaches the mailbox of the (tenant, object id) that
// signed in and nothing else, also where the token would allow more (I7).
//
// # A sign-in that is not stored yet
//
// Token not empty: that very access token, as it is; nothing renews it.
type Access struct {
	// Tenant is the directory's GUID in lower case.
	Tenant string
	// Organization, Lane and Connection name the connection's row; empty for the app.
	Organization string
	Lane         key.Key
	Connection   key.Key
	// ObjectID is the account's object id in lower case; empty for the app, and where
	// nobody signed in.
	ObjectID string
	// Version names the sign-in that a token must come from, so that one kept from an
	// earlier one is not used; empty for any.
	Version string
	// Token is an access token that is used as it is. It is never logged.
	Token string
}

// AppAccess is the app's own access to a tenant.
func AppAccess(tenant string) Access { return Access{Tenant: tenant} }

// App reports whether calls are made with the app's own permission.
func (a Access) App() bool { return a.Connection == (key.Key{}) && a.Token == "" }

// Path is what names a mailbox in a call's path: the object id of whoever signed
// in, else mailbox as it is given.
func (a Access) Path(mailbox string) string {
	if !a.App() && a.ObjectID != "" {
		return a.ObjectID
	}
	return mailbox
}

// String names the access for logs: never an address, never a token.
func (a Access) String() string {
	switch {
	case a.Token != "":
		return "sign-in in " + a.Tenant
	case !a.App():
		return "connection " + a.Connection.String()
	}
	return "app in " + a.Tenant
}

// GoString is String, so that no format prints a token.
func (a Access) GoString() string { return a.String() }
