package app

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/calbridge/calbridge/shared/graph/msgraph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/seal"
	"github.com/calbridge/calbridge/shared/settings"
	"github.com/calbridge/calbridge/shared/state"
)

// parts are the clients of what runs elsewhere. None has connected yet.
type parts struct {
	tables   *state.Azure
	bus      *queue.Azure
	calendar *msgraph.Client
	domains  *identity.Domains
	// users sign people in; sealer seals what belongs to them.
	users  *identity.Users
	sealer *seal.Sealer
	// credentialEnds is when the app's certificate does; zero for other credentials.
	credentialEnds time.Time
	graph          string // Graph's origin
	// organizations are read through cached, which knows how old a tenant's consent is.
	organizations *state.Organizations
	cached        *state.CachedOrganizations
}

// connect constructs the clients. Its errors name settings, never values.
func connect(s settings.Settings, now func() time.Time) (parts, error) {
	tables, err := connectTables(s)
	if err != nil {
		return parts{}, fmt.Errorf("TABLES: %w", err)
	}
	bus, err := connectBus(s)
	if err != nil {
		return parts{}, fmt.Errorf("SERVICEBUS: %w", err)
	}
	credential, err := entraCredential(s.Entra)
	if err != nil {
		return parts{}, fmt.Errorf("ENTRA_CLIENT_*: %w", err)
	}
	organizations := state.NewOrganizations(tables, now)
	cached := state.NewCachedOrganizations(organizations, now)
	app, err := identity.New(s.Entra.ClientID, credential, &identity.Options{Authority: s.Entra.Authority, GraphEndpoint: s.GraphEndpoint,
		ConsentVersion: cached.ConsentVersion, Now: now})
	if err != nil {
		return parts{}, fmt.Errorf("ENTRA_*: %w", err)
	}
	domains, err := identity.NewDomains(s.Entra.Authority, nil)
	if err != nil {
		return parts{}, fmt.Errorf("ENTRA_AUTHORITY: %w", err)
	}
	sealer, err := seal.New(s.TokenKeyset.Reveal())
	if err != nil {
		return parts{}, fmt.Errorf("TOKEN_KEYSET: %w", err)
	}
	users, err := identity.NewUsers(s.Entra.ClientID, credential, &identity.UserOptions{Authority: s.Entra.Authority, GraphEndpoint: s.GraphEndpoint,
		Store: tokenRows{state.NewConnections(tables)}, Sealer: sealer, Now: now})
	if err != nil {
		return parts{}, fmt.Errorf("ENTRA_*: %w", err)
	}
	calendar, err := msgraph.New(msgraph.NewTokens(app, people{users}), &msgraph.Options{Endpoint: s.GraphEndpoint, Now: now})
	if err != nil {
		return parts{}, fmt.Errorf("GRAPH_ENDPOINT: %w", err)
	}
	return parts{tables: tables, bus: bus, calendar: calendar, domains: domains, graph: s.GraphEndpoint,
		users: users, sealer: sealer, credentialEnds: credential.NotAfter(),
		organizations: organizations, cached: cached}, nil
}

func connectTables(s settings.Settings) (*state.Azure, error) {
	if s.Tables.Endpoint == "" {
		return state.NewAzure(s.Tables.ConnectionString.Reveal(), nil)
	}
	credential, err := managedIdentity(s, s.Tables)
	if err != nil {
		return nil, err
	}
	return state.NewAzureWithToken(s.Tables.Endpoint, credential, nil)
}

func connectBus(s settings.Settings) (*queue.Azure, error) {
	if s.ServiceBus.Endpoint == "" {
		return queue.FromConnectionString(s.ServiceBus.ConnectionString.Reveal(), nil)
	}
	credential, err := managedIdentity(s, s.ServiceBus)
	if err != nil {
		return nil, err
	}
	return queue.FromNamespace(s.ServiceBus.Endpoint, credential, nil)
}

// managedIdentity is the identity of our own SDK calls: the service's, else
// AZURE_CLIENT_ID's, else the system-assigned one.
func managedIdentity(s settings.Settings, service settings.Service) (azcore.TokenCredential, error) {
	o := &azidentity.ManagedIdentityCredentialOptions{}
	if id := cmp.Or(service.ClientID, s.AzureClientID); id != "" {
		o.ID = azidentity.ClientID(id)
	}
	return azidentity.NewManagedIdentityCredential(o)
}

func entraCredential(e settings.Entra) (identity.Credential, error) {
	switch {
	case e.ManagedIdentity != "":
		return identity.ManagedIdentity(e.ManagedIdentity, e.Authority)
	case !e.Certificate.IsZero():
		return certificate(e.Certificate.Reveal())
	}
	return identity.Secret(e.Secret.Reveal()), nil
}

// certificate turns what settings have read, PEM or DER, into a credential; DER
// goes as base64, which is how identity takes it.
func certificate(content string) (identity.Credential, error) {
	if !strings.Contains(content, "-----BEGIN") {
		content = base64.StdEncoding.EncodeToString([]byte(content))
	}
	return identity.Certificate(content)
}

// reachGraph asks Graph for its service document, without a token: an answer of
// any kind but a server's error means that it is there.
func (p parts) reachGraph(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.graph+"/v1.0/", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return errors.New("graph answered " + resp.Status)
	}
	return nil
}

func (p parts) close(ctx context.Context) error {
	p.tables.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.bus.Close(ctx)
}
