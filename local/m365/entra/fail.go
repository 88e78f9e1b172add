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
	16000:   {400, "interaction_required", false, "The user account is not the only one that is signed in. Select an account."},
	50011:   {400, "invalid_client", false, "The redirect URI specified in the request does not match the redirect URIs configured for the application."},
	50012:   {401, "invalid_client", false, "Authentication failed."},
	50020:   {400, "access_denied", false, "The user account does not exist in the tenant and cannot access the application in that tenant. The account needs to be added as an external user in the tenant first. Sign out and sign in again with a different account."},
	50034:   {400, "invalid_grant", false, "The user account does not exist in the directory."},
	50057:   {400, "invalid_grant", false, "The user account is disabled."},
	50058:   {400, "login_required", false, "A silent sign-in request was sent but no user is signed in."},
	50076:   {400, "interaction_required", false, "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication."},
	50089:   {400, "invalid_grant", false, "The flow token expired. Go back to the application and sign in again."},
	50105:   {400, "invalid_grant", false, "The signed in user is not assigned to a role for the application."},
	50131:   {400, "access_denied", false, "Access has been blocked: the device or the place of the sign-in is not allowed by Conditional Access."},
	50147:   {400, "invalid_request", false, "The code challenge is missing, of the wrong size, or of a method that is not supported."},
	50173:   {400, "invalid_grant", false, "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password."},
	50194:   {400, "invalid_request", false, "The application is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such applications."},
	53000:   {400, "access_denied", false, "The device is not in the required state: compliant."},
	53001:   {400, "access_denied", false, "The device is not in the required state: domain joined."},
	53002:   {400, "access_denied", false, "The application used is not an approved one."},
	53003:   {400, "access_denied", false, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."},
	54005:   {400, "invalid_grant", false, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."},
	65001:   {400, "invalid_grant", false, "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource."},
	65004:   {400, "access_denied", false, "User declined to consent to access the app."},
	70000:   {400, "invalid_grant", false, "The provided value for the code or refresh token is not valid."},
	70003:   {400, "unsupported_grant_type", true, "The app requested an unsupported grant type."},
	70007:   {400, "unsupported_response_type", false, "The provided value for the input parameter 'response_type' or 'response_mode' is not supported."},
	70008:   {400, "invalid_grant", false, "The provided authorization code or refresh token has expired due to inactivity or was revoked. Send a new interactive authorization request for this user and resource."},
	70043:   {400, "invalid_grant", false, "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access."},
	70011:   {400, "invalid_scope", false, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid."},
	90002:   {400, "invalid_request", false, "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."},
	90019:   {400, "invalid_request", false, "No tenant-identifying information found in either the request or implied by any provided credentials."},
	90023:   {400, "invalid_request", false, "A parameter of the request has a value that is not supported."},
	90033:   {503, "temporarily_unavailable", false, "A transient error has occurred. Please try again."},
	90055:   {429, "temporarily_unavailable", false, "Server is terribly busy to process a request."},
	90094:   {400, "access_denied", false, "Admin consent is required for the permissions requested by this application."},
	90095:   {400, "access_denied", false, "Admin consent is required. An admin consent request may be sent to the admin."},
	500011:  {400, "invalid_resource", false, "The resource principal was not found in the tenant."},
	500021:  {400, "access_denied", false, "Access to the tenant is denied by tenant restrictions."},
	501481:  {400, "invalid_grant", false, "The Code_Verifier does not match the code_challenge supplied in the authorization request."},
	530032:  {400, "access_denied", false, "User blocked due to risk on home tenant."},
	700005:  {400, "invalid_grant", false, "The provided authorization code is intended to be used against another tenant."},
	700016:  {400, "unauthorized_client", false, "Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."},
	700024:  {401, "invalid_client", false, "Client assertion is not within its valid time range."},
	700027:  {401, "invalid_client", false, "Client assertion failed signature validation."},
	700030:  {401, "invalid_client", false, "Invalid certificate: the certificate's subject name or issuer is not authorized."},
	700038:  {400, "unauthorized_client", true, "The provided value is not a valid application identifier."},
	700054:  {400, "unsupported_response_type", false, "response_type 'id_token' is not enabled for the application."},
	700082:  {400, "invalid_grant", false, "The refresh token has expired due to inactivity. The token was inactive for 90.00:00:00."},
	700213:  {401, "invalid_client", false, "No matching federated identity record found for presented assertion."},
	900023:  {400, "invalid_request", false, "Specified tenant identifier is neither a valid DNS name, nor a valid external domain."},
	900144:  {400, "invalid_request", false, "The request body must contain all required parameters."},
	900971:  {400, "invalid_request", false, "No reply address provided."},
	7000112: {400, "unauthorized_client", false, "Application is disabled."},
	7000215: {401, "invalid_client", false, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID."},
	7000218: {401, "invalid_client", false, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
	7000222: {401, "invalid_client", false, "The provided client secret keys are expired."},
	9000411: {400, "invalid_request", false, "The request is not properly formatted. A parameter is duplicated."},
	9001023: {400, "invalid_request", false, "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint."},
}

// failure is the JSON of a refusal (13.5); a correlation that is no GUID is replaced.
func (s *Server) failure(host, correlation string, number int) map[string]any {
	m := meanings[number]
	stamp := s.now().UTC().Format("2006-01-02 15:04:05Z")
	trace := uuid.NewString()
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
		body["error_uri"] = fmt.Sprintf("https://%s/error?code=%d", host, number)
	}
	return body
}

// failureOf is failure for a program's request, which may name its correlation.
func (s *Server) failureOf(r *http.Request, number int) map[string]any {
	return s.failure(r.Host, r.Header.Get("client-request-id"), number)
}

// refusal is why the token endpoint gives none.
type refusal struct {
	number int
	code   string // error, where it is not the number's
	claims string // of Conditional Access
}

func refused(number int) *refusal { return &refusal{number: number} }

// suberror is the machine-readable cause beside an error; "" without one.
func suberror(number int) string {
	switch number {
	case 65001:
		return "consent_required"
	case 50076:
		return "basic_action"
	case 53000, 53001, 53002, 53003, 530032, 50131, 50105:
		return "message_only"
	case 50173, 70008, 700082:
		return "bad_token"
	case 70043:
		return "token_expired"
	}
	return ""
}

func (s *Server) refuseGrant(w http.ResponseWriter, r *http.Request, no *refusal) {
	body := s.failureOf(r, no.number)
	if no.code != "" {
		body["error"] = no.code
	}
	if sub := suberror(no.number); sub != "" {
		body["suberror"] = sub
	}
	if no.claims != "" {
		body["claims"] = no.claims
	}
	writeJSON(w, meanings[no.number].status, body)
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, number int) {
	writeJSON(w, meanings[number].status, s.failureOf(r, number))
}

// unavailable answers a fault in the shape that the rule asks for.
func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, status int, code string) {
	number := 90033
	if status == http.StatusTooManyRequests {
		number = 90055
	}
	body := s.failureOf(r, number)
	if code != "" {
		body["error"] = code
	}
	writeJSON(w, status, body)
}
