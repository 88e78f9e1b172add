// Package settings reads the app settings of design.md ("Settings") once, at
// start, through a lookup function, and gives the program typed values.
//
// Every mistake is reported, one line each, naming the setting and never its
// value; a program with a mistake in its settings does not start. A setting with
// an empty value counts as absent, so that local.settings.sample.json can name
// alternatives.
//
// # Secrets
//
// A [Secret] hides itself from fmt, log/slog and encoding/json; Reveal is the
// only way to its text.
//
// # The sample's keys
//
// Whoever deploys with the keys of local.settings.sample.json has published
// them. They are known here by their hashes and refused unless PUBLIC_URL is
// loopback.
//
// # What is read more narrowly
//
// Of Tink's AEAD keys those of the kinds AES-CTR-HMAC, X-AES-GCM and KMS are
// refused, and so are the prefix types LEGACY and CRUNCHY: nobody makes a new
// keyset of them, and the code that reads them costs megabytes.
//
// # What is not read
//
// AzureWebJobsStorage in all its forms is the host's own. A PKCS#12 certificate is
// only recognised here; whoever makes a credential of it finds out whether it
// opens. The only file that is read is the one that ENTRA_CLIENT_CERTIFICATE may name.
package settings

import (
	"cmp"
	"strconv"
)

// Lookup finds a setting as os.LookupEnv does.
type Lookup func(name string) (value string, found bool)

// Settings are the valid settings of one process.
type Settings struct {
	// Port to listen on, 1 to 65535, on 127.0.0.1 (FUNCTIONS_CUSTOMHANDLER_PORT).
	Port int
	// PublicURL is the outside base URL, without /api and without a slash at its end.
	PublicURL string
	// Loopback tells that PublicURL leads to this machine: for development only.
	Loopback bool

	Tables     Service // Endpoint is a URL
	ServiceBus Service // Endpoint is a host name
	// AzureClientID is the managed identity of our own SDK calls; "" is the
	// system-assigned one.
	AzureClientID string

	Entra Entra
	// GraphEndpoint is an origin without a slash at its end; http only on loopback.
	GraphEndpoint string

	// TokenKeyset is a Tink AEAD keyset in JSON, in clear text, whose keys are
	// AES-GCM, AES-GCM-SIV or (X)ChaCha20-Poly1305.
	TokenKeyset Secret
	// LinkKeys has at least one key; the first signs, all verify.
	LinkKeys []LinkKey
	// DownSyncSchedule is NCRONTAB with five or six fields.
	DownSyncSchedule string
	// ReturnOrigins are scheme, host and port, as browsers write an Origin; may be empty.
	ReturnOrigins []string

	// AlertSender and AlertTenant are both set or both empty: then alerts go to the
	// topic only.
	AlertSender, AlertTenant string
}

// Service is how an Azure service is reached: by connection string, or by
// endpoint with a managed identity. Exactly one of the two is set.
type Service struct {
	ConnectionString Secret
	Endpoint         string
	// ClientID is the user-assigned identity for Endpoint; "" is AzureClientID's.
	ClientID string
}

// Entra is the multi-tenant app. Exactly one of Secret, Certificate and
// ManagedIdentity is set.
type Entra struct {
	ClientID string // a GUID
	Secret   Secret
	// Certificate is PEM or DER PKCS#12 with its private key.
	Certificate Secret
	// ManagedIdentity is the client id of the identity whose token is exchanged.
	ManagedIdentity string
	// Authority is an origin without a slash at its end; http only on loopback.
	Authority string
}

// Defaults.
const (
	defaultAuthority = "https://login.microsoftonline.com"
	defaultGraph     = "https://graph.microsoft.com"
	defaultSchedule  = "0 */30 * * * *"
)

// Read reads and checks all settings. Its error is an *Invalid with every fault.
func Read(lookup func(string) (string, bool)) (Settings, error) {
	r := reader{lookup: lookup}
	var s Settings
	s.Port = r.port("FUNCTIONS_CUSTOMHANDLER_PORT")
	s.PublicURL, s.Loopback = r.publicURL("PUBLIC_URL")
	s.Tables = r.service("TABLES", "TABLES__serviceUri", r.tablesEndpoint, checkTables)
	s.ServiceBus = r.service("SERVICEBUS", "SERVICEBUS__fullyQualifiedNamespace", r.namespace, checkServiceBus)
	s.AzureClientID = r.guid("AZURE_CLIENT_ID")
	s.Entra = r.entra()
	s.GraphEndpoint = r.endpoint("GRAPH_ENDPOINT", defaultGraph)
	s.TokenKeyset = r.keyset("TOKEN_KEYSET", s.Loopback)
	s.LinkKeys = r.linkKeys("LINK_KEYS", s.Loopback)
	s.DownSyncSchedule = r.schedule("DOWNSYNC_SCHEDULE")
	s.ReturnOrigins = r.origins("ALLOWED_RETURN_ORIGINS")
	s.AlertSender, s.AlertTenant = r.alerts()
	if len(r.faults) > 0 {
		return Settings{}, &Invalid{Faults: r.faults}
	}
	return s, nil
}

func (r *reader) port(name string) int {
	text, ok := r.required(name)
	if !ok {
		return 0
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		r.fault(name, "must be a port, 1 to 65535")
	}
	return port
}

func (r *reader) entra() Entra {
	const secret, certificate, identity = "ENTRA_CLIENT_SECRET", "ENTRA_CLIENT_CERTIFICATE", "ENTRA_MANAGED_IDENTITY"
	var e Entra
	if _, ok := r.required("ENTRA_CLIENT_ID"); ok {
		e.ClientID = r.guid("ENTRA_CLIENT_ID")
	}
	e.Authority = r.endpoint("ENTRA_AUTHORITY", defaultAuthority)
	switch given := r.given(secret, certificate, identity); {
	case len(given) == 0:
		r.fault(secret, "is missing: one of %s, %s and %s is needed", secret, certificate, identity)
	case len(given) > 1:
		r.fault(given[1], "is one too many beside %s: exactly one of %s, %s and %s", given[0], secret, certificate, identity)
	}
	text, _ := r.get(secret)
	e.Secret = Secret{text}
	e.Certificate = r.certificate(certificate)
	e.ManagedIdentity = r.guid(identity)
	return e
}

func (r *reader) schedule(name string) string {
	text, _ := r.get(name)
	text = cmp.Or(text, defaultSchedule)
	if problem := checkSchedule(text); problem != "" {
		r.fault(name, "%s", problem)
	}
	return text
}

func (r *reader) alerts() (sender, tenant string) {
	const senderName, tenantName = "ALERT_SENDER", "ALERT_TENANT"
	sender, withSender := r.get(senderName)
	tenant, withTenant := r.get(tenantName)
	switch {
	case withSender && !withTenant:
		r.fault(tenantName, "is missing: it goes with %s", senderName)
	case withTenant && !withSender:
		r.fault(senderName, "is missing: it goes with %s", tenantName)
	}
	if withSender && !isAddress(sender) {
		r.fault(senderName, "must be an e-mail address")
	}
	if withTenant && !isTenant(tenant) {
		r.fault(tenantName, "must be a tenant id (GUID) or a domain of the tenant")
	}
	return sender, tenant
}
