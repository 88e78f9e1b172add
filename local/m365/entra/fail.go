package entra

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// meaning is what one AADSTS number answers (13.5).
type meaning struct {
	status  int
	code    string // OAuth's error
	noURI   bool   // captured without error_uri
	message string
}

// meanings is the part of contract 13.5 that the token endpoint needs.
var meanings = map[int]meaning{
	50049:   {400, "invalid_instance", false, "Unknown or invalid instance."},
	50012:   {401, "invalid_client", false, "Authentication failed."},
	70003:   {400, "unsupported_grant_type", true, "The app requested an unsupported grant type."},
	70011:   {400, "invalid_scope", false, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid."},
	90002:   {400, "invalid_request", false, "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."},
	90033:   {503, "temporarily_unavailable", false, "A transient error has occurred. Please try again."},
	90055:   {429, "temporarily_unavailable", false, "Server is terribly busy to process a request."},
	500011:  {400, "invalid_resource", false, "The resource principal was not found in the tenant."},
	700016:  {400, "unauthorized_client", false, "Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."},
	700024:  {401, "invalid_client", false, "Client assertion is not within its valid time range."},
	700027:  {401, "invalid_client", false, "Client assertion failed signature validation."},
	700030:  {401, "invalid_client", false, "Invalid certificate: the certificate's subject name or issuer is not authorized."},
	700038:  {400, "unauthorized_client", true, "The provided value is not a valid application identifier."},
	700213:  {401, "invalid_client", false, "No matching federated identity record found for presented assertion."},
	900023:  {400, "invalid_request", false, "Specified tenant identifier is neither a valid DNS name, nor a valid external domain."},
	900144:  {400, "invalid_request", false, "The request body must contain all required parameters."},
	7000112: {400, "unauthorized_client", false, "Application is disabled."},
	7000215: {401, "invalid_client", false, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID."},
	7000218: {401, "invalid_client", false, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
	7000222: {401, "invalid_client", false, "The provided client secret keys are expired."},
	9001023: {400, "invalid_request", false, "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint."},
}

// failure is the JSON of a refusal (13.5).
func (s *Server) failure(r *http.Request, number int) map[string]any {
	m := meanings[number]
	stamp := s.now().UTC().Format("2006-01-02 15:04:05Z")
	trace, correlation := uuid.NewString(), r.Header.Get("client-request-id")
	if _, err := uuid.Parse(correlation); err != nil {
		correlation = uuid.NewString()
	}
	body := map[string]any{
		"error": m.code,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			number, m.message, trace, correlation, stamp),
		"error_codes": []int{number}, "timestamp": stamp, "trace_id": trace, "correlation_id": correlation,
	}
	if !m.noURI {
		body["error_uri"] = fmt.Sprintf("https://%s/error?code=%d", r.Host, number)
	}
	return body
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, number int) {
	writeJSON(w, meanings[number].status, s.failure(r, number))
}

// unavailable answers a fault in the shape that the rule asks for.
func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, status int, code string) {
	number := 90033
	if status == http.StatusTooManyRequests {
		number = 90055
	}
	body := s.failure(r, number)
	if code != "" {
		body["error"] = code
	}
	writeJSON(w, status, body)
}
