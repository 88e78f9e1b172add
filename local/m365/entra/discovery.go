package entra

import (
	"net/http"
	"net/url"
	"strings"
)

// issuer is the issuer of id tokens of the path's tenant, with the documented
// placeholder for the tenants that are none (13.4).
func (s *Server) issuer(r *http.Request) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := strings.ToLower(r.PathValue("tenant"))
	if id == "consumers" {
		id = Consumers
	}
	if isShared(id) {
		return "https://" + r.Host + "/{tenantid}/v2.0", true
	}
	t := s.tenants[strings.ToLower(id)]
	if t == nil {
		return "", false
	}
	return "https://" + r.Host + "/" + t.id + "/v2.0", true
}

// isShared tells the path segments that stand for several tenants.
func isShared(tenant string) bool {
	return tenant == "common" || tenant == "organizations" || tenant == "consumers"
}

// discovery answers the OpenID configuration (13.1).
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	issuer, ok := s.issuer(r)
	if !ok {
		s.refuse(w, r, 90002)
		return
	}
	programs := "https://" + r.Host + "/" + r.PathValue("tenant")
	browsers := "http://" + r.Host + "/" + r.PathValue("tenant")
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                browsers + "/oauth2/v2.0/authorize",
		"token_endpoint":                        programs + "/oauth2/v2.0/token",
		"jwks_uri":                              programs + "/discovery/v2.0/keys",
		"userinfo_endpoint":                     Graph + "/oidc/userinfo",
		"device_authorization_endpoint":         programs + "/oauth2/v2.0/devicecode",
		"end_session_endpoint":                  browsers + "/oauth2/v2.0/logout",
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic", "private_key_jwt", "self_signed_tls_client_auth"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "oid"},
		"request_uri_parameter_supported":       false,
		"http_logout_supported":                 true,
		"frontchannel_logout_supported":         true,
		"tenant_region_scope":                   "EU",
		"cloud_instance_name":                   "microsoftonline.com",
		"cloud_graph_host_name":                 "graph.windows.net",
		"msgraph_host":                          "graph.microsoft.com",
		"rbac_url":                              "https://pas.windows.net",
	})
}

// instance answers instance discovery, which MSAL asks of authorities that it
// does not know.
func (s *Server) instance(w http.ResponseWriter, r *http.Request) {
	u, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	tenant := ""
	if err == nil {
		tenant, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	}
	if tenant == "" || u.Host != r.Host {
		writeJSON(w, http.StatusBadRequest, s.failureOf(r, 50049))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + r.Host + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{{
			"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host},
		}},
	})
}
