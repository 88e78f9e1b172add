package tables

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/state/rowjson"
)

// refusal is an error of the service: "Table service error codes".
type refusal struct {
	status        int
	code, message string
	// index is that of the change in a transaction, -1 elsewhere.
	index int
}

func (e *refusal) Error() string { return e.code }

var refusals = map[string]struct {
	status  int
	message string
}{
	"AuthenticationFailed":                    {403, "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."},
	"AtomFormatNotSupported":                  {415, "Atom format is not supported."},
	"ContentLengthExceeded":                   {413, "The request body is too large and exceeds the maximum permissible limit."},
	"DuplicatePropertiesSpecified":            {400, "A property is specified more than one time."},
	"EntityAlreadyExists":                     {409, "The specified entity already exists."},
	"EntityTooLarge":                          {400, "The entity is larger than the maximum allowed size (1MB)."},
	"InvalidDuplicateRow":                     {400, "The batch request contains multiple changes with same row key. An entity can appear only once in a batch request."},
	"InvalidHeaderValue":                      {400, "The value for one of the HTTP headers is not in the correct format."},
	"InvalidInput":                            {400, "One of the request inputs is not valid."},
	"InvalidResourceName":                     {400, "The specified resource name contains invalid characters."},
	"KeyValueTooLarge":                        {400, "The value of a key exceeds the maximum allowed size (1KB)."},
	"MethodNotAllowed":                        {405, "The requested method is not allowed on the specified resource."},
	"MissingRequiredHeader":                   {400, "An HTTP header that's mandatory for this request is not specified."},
	"NotImplemented":                          {501, "The requested operation is not implemented on the specified resource."},
	"OutOfRangeInput":                         {400, "One of the request inputs is out of range."},
	"PropertiesNeedValue":                     {400, "The values are not specified for all properties in the entity."},
	"PropertyNameInvalid":                     {400, "The property name is invalid."},
	"PropertyNameTooLong":                     {400, "The property name exceeds the maximum allowed length (255)."},
	"PropertyValueTooLarge":                   {400, "The property value exceeds the maximum allowed size (64KB)."},
	"RequestBodyTooLarge":                     {413, "The request body is too large and exceeds the maximum permissible limit."},
	"ResourceNotFound":                        {404, "The specified resource does not exist."},
	"ServerBusy":                              {503, "The server is busy."},
	"TableAlreadyExists":                      {409, "The table specified already exists."},
	"TableBeingDeleted":                       {409, "The specified table is being deleted."},
	"TableNotFound":                           {404, "The table specified does not exist."},
	"TooManyProperties":                       {400, "The entity contains more properties than allowed. Each entity can include up to 252 properties to store data."},
	"UpdateConditionNotSatisfied":             {412, "The update condition specified in the request was not satisfied."},
	"CommandsInBatchActOnDifferentPartitions": {400, "All commands in a batch must operate on same entity group."},
}

func refuse(code string) *refusal {
	known, ok := refusals[code]
	if !ok {
		known.status, known.message = http.StatusInternalServerError, "Server encountered an internal error."
	}
	return &refusal{status: known.status, code: code, message: known.message, index: -1}
}

// at says which change of a transaction is meant.
func (e *refusal) at(index int) *refusal {
	e.index = index
	return e
}

// refusalOf translates the store's errors.
func refusalOf(err error) *refusal {
	var r *refusal
	var c *state.ChangeError
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &c):
		return refuse(changeCode(c.Err)).at(c.Index)
	case errors.Is(err, errNoTable), errors.Is(err, errTableExists), errors.Is(err, errTableDeleting):
		return refuse(err.Error())
	}
	return refuse("InternalError")
}

func changeCode(err error) string {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return "ResourceNotFound"
	case errors.Is(err, state.ErrExists):
		return "EntityAlreadyExists"
	case errors.Is(err, state.ErrPrecondition):
		return "UpdateConditionNotSatisfied"
	case errors.Is(err, state.ErrTooLarge):
		return "EntityTooLarge"
	}
	return "InternalError"
}

// body is the error as JSON, with what the service adds to every message.
func (e *refusal) body(requestID, now string) []byte {
	message := e.message
	if e.index >= 0 {
		message = strconv.Itoa(e.index) + ":" + message
	}
	message = fmt.Sprintf("%s\nRequestId:%s\nTime:%s", message, requestID, now)
	b := rowjson.AppendString([]byte(`{"odata.error":{"code":`), e.code)
	b = rowjson.AppendString(append(b, `,"message":{"lang":"en-US","value":`...), message)
	return append(b, "}}}"...)
}
