package identity

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// A Credential proves that we are the app. It prints as nothing.
type Credential struct {
	open     func(tenant string, a *App) (azcore.TokenCredential, error)
	client   func() (confidential.Credential, error) // the same for MSAL
	notAfter time.Time
}

// NotAfter is when the certificate ends, for Health and alerts (identity.md section
// 4); zero for other credentials.
func (c Credential) NotAfter() time.Time { return c.notAfter }

// String hides the credential from logs.
func (Credential) String() string { return "credential" }

// GoString hides the credential from %#v.
func (Credential) GoString() string { return "identity.Credential{}" }

// Secret is ENTRA_CLIENT_SECRET.
func Secret(secret string) Credential {
	open := func(tenant string, a *App) (azcore.TokenCredential, error) {
		return azidentity.NewClientSecretCredential(tenant, a.clientID, secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: a.client, DisableInstanceDiscovery: a.loopback,
		})
	}
	client := func() (confidential.Credential, error) { return confidential.NewCredFromSecret(secret) }
	return Credential{open: open, client: client}
}

// Certificate is ENTRA_CLIENT_CERTIFICATE: PEM with certificate and key, the same
// as base64 PKCS#12 without password, or the path of a file with either. The
// error does not hold the value.
func Certificate(setting string) (Credential, error) {
	data := []byte(setting)
	if !strings.Contains(setting, "-----BEGIN") {
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(setting))
		if err != nil {
			decoded, err = os.ReadFile(setting)
		}
		if err != nil {
			return Credential{}, errors.New("the certificate is neither PEM, nor base64, nor a file that can be read")
		}
		data = decoded
	}
	certs, key, err := azidentity.ParseCertificates(data, nil)
	if err != nil {
		return Credential{}, errors.New("the certificate or its key cannot be read")
	}
	open := func(tenant string, a *App) (azcore.TokenCredential, error) {
		return azidentity.NewClientCertificateCredential(tenant, a.clientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: a.client, DisableInstanceDiscovery: a.loopback,
		})
	}
	client := func() (confidential.Credential, error) { return confidential.NewCredFromCert(certs, key) }
	return Credential{open: open, client: client, notAfter: endOf(certs, key)}, nil
}

// endOf is when the certificate of the key ends; the others are its chain.
func endOf(certs []*x509.Certificate, key crypto.PrivateKey) time.Time {
	signer, ok := key.(crypto.Signer)
	for _, c := range certs {
		if public, comparable := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && comparable && public.Equal(signer.Public()) {
			return c.NotAfter
		}
	}
	return time.Time{}
}

// Federated is a credential without a secret: assertion returns a token that the
// app registration trusts. It must be safe for concurrent use.
func Federated(assertion func(context.Context) (string, error)) Credential {
	open := func(tenant string, a *App) (azcore.TokenCredential, error) {
		return azidentity.NewClientAssertionCredential(tenant, a.clientID, assertion, &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: a.client, DisableInstanceDiscovery: a.loopback,
		})
	}
	client := func() (confidential.Credential, error) {
		return confidential.NewCredFromAssertionCallback(func(ctx context.Context, _ confidential.AssertionRequestOptions) (string, error) {
			return assertion(ctx)
		}), nil
	}
	return Credential{open: open, client: client}
}

// ManagedIdentity is ENTRA_MANAGED_IDENTITY: the client id of a user-assigned
// managed identity that the app registration trusts (contract 13.2). authority is
// Options.Authority; the audience follows it.
func ManagedIdentity(clientID, authority string) (Credential, error) {
	source, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ID: azidentity.ClientID(clientID),
	})
	if err != nil {
		return Credential{}, errors.New("the managed identity cannot be used")
	}
	scope := audience(authority) + "/.default"
	return Federated(func(ctx context.Context) (string, error) {
		t, err := source.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		return t.Token, err
	}), nil
}

// audience is that of federated credentials in the authority's cloud.
func audience(authority string) string {
	switch {
	case strings.HasSuffix(strings.TrimSuffix(authority, "/"), "login.microsoftonline.us"):
		return "api://AzureADTokenExchangeUSGov"
	case strings.HasSuffix(strings.TrimSuffix(authority, "/"), "login.partner.microsoftonline.cn"):
		return "api://AzureADTokenExchangeChina"
	}
	return "api://AzureADTokenExchange"
}
