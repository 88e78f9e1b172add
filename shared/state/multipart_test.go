package state

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The sample of "Performing entity group transactions" (Microsoft), success.
const azureSuccess = "--batchresponse_4c637ba4-b2f8-40f8-8856-c2d10d163a83\r\n" +
	"Content-Type: multipart/mixed; boundary=changesetresponse_1c2ab8ff-0f52-4e0e-8a0f-9c2bd8eebb5b\r\n\r\n" +
	"--changesetresponse_1c2ab8ff-0f52-4e0e-8a0f-9c2bd8eebb5b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\nPreference-Applied: return-no-content\r\nDataServiceVersion: 3.0;\r\n" +
	"Location: https://a.table.core.windows.net/Blogs(PartitionKey='Channel_19',RowKey='1')\r\n" +
	"ETag: W/\"datetime'2013-06-20T22%3A17%3A20.5217713Z'\"\r\n\r\n\r\n" +
	"--changesetresponse_1c2ab8ff-0f52-4e0e-8a0f-9c2bd8eebb5b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"HTTP/1.1 204 No Content\r\nDataServiceVersion: 1.0;\r\n\r\n\r\n" +
	"--changesetresponse_1c2ab8ff-0f52-4e0e-8a0f-9c2bd8eebb5b--\r\n--batchresponse_4c637ba4-b2f8-40f8-8856-c2d10d163a83--\r\n"

func refusalBody(status, body string) string {
	return "--batchresponse_a\r\nContent-Type: multipart/mixed; boundary=changesetresponse_b\r\n\r\n" +
		"--changesetresponse_b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
		"HTTP/1.1 " + status + "\r\nX-Content-Type-Options: nosniff\r\nDataServiceVersion: 3.0;\r\n" +
		"Content-Type: application/json;odata=minimalmetadata;streaming=true;charset=utf-8\r\n\r\n" + body + "\r\n" +
		"--changesetresponse_b--\r\n--batchresponse_a--\r\n"
}

func faultBody(code, message string) string {
	return `{"odata.error":{"code":"` + code + `","message":{"lang":"en-US","value":"` + message +
		`\nRequestId:6f4e8a3c-1002-0015-3d5b-a1b2c3000000\nTime:2026-12-01T10:00:00.0000000Z"}}}`
}

func TestParseBatchReadsSuccess(t *testing.T) {
	want := []outcome{{status: 204, etag: "W/\"datetime'2013-06-20T22%3A17%3A20.5217713Z'\""}, {status: 204}}
	for name, body := range map[string]string{
		"as documented":                       azureSuccess,
		"bare newlines":                       strings.ReplaceAll(azureSuccess, "\r\n", "\n"),
		"leading blanks":                      "\r\n\r\n" + azureSuccess,
		"Azurite's blank line before headers": strings.ReplaceAll(azureSuccess, "\r\nContent-Type: application/http", "\r\n\r\nContent-Type: application/http"),
	} {
		got, err := parseBatch([]byte(body))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{}, fault{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestARefusedTransactionIsReadFromItsBody(t *testing.T) {
	for _, test := range []struct {
		name, status, body string
		index              int
		want               error
	}{
		{"conflict", "409 Conflict", faultBody("EntityAlreadyExists", "2:The specified entity already exists."), 2, ErrExists},
		{"first", "409 Conflict", faultBody("EntityAlreadyExists", "0:The specified entity already exists."), 0, ErrExists},
		{"condition", "412 Precondition Failed", faultBody("UpdateConditionNotSatisfied", "19:The update condition"), 19, ErrPrecondition},
		{"missing row", "404 Not Found", faultBody("ResourceNotFound", "7:The specified resource does not exist."), 7, ErrNotFound},
		{"too large", "400 Bad Request", faultBody("EntityTooLarge", "3:The entity is larger"), 3, ErrTooLarge},
		{"missing table", "404 Not Found", faultBody("TableNotFound", "0:The table specified does not exist."), -1, errNoTable},
	} {
		out, err := parseBatch([]byte(refusalBody(test.status, test.body)))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		err = batchRefusal(out, 20)
		var at *ChangeError
		if !errors.Is(err, test.want) || errors.As(err, &at) != (test.index >= 0) || at != nil && at.Index != test.index {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// What cannot be understood is an unknown outcome, never a success and never one
// of the errors that tell the caller about rows.
func TestAnUnclearAnswerIsAnUnknownOutcome(t *testing.T) {
	changes := []Change{{Action: Merge}, {Action: Delete}}
	for name, body := range map[string]string{
		"empty":            "",
		"json":             faultBody("InvalidInput", "no"),
		"html":             "<html>--proxy--</html>",
		"cut":              azureSuccess[:len(azureSuccess)/2],
		"one part of two":  refusalBody("204 No Content", ""),
		"no index":         refusalBody("409 Conflict", faultBody("EntityAlreadyExists", "The specified entity already exists.")),
		"index beyond":     refusalBody("409 Conflict", faultBody("EntityAlreadyExists", "2:exists")),
		"huge index":       refusalBody("409 Conflict", faultBody("EntityAlreadyExists", "99999999999999999999:exists")),
		"no code":          refusalBody("404 Not Found", ""),
		"server error":     refusalBody("500 Internal", faultBody("InternalError", "0:oops")),
		"strange status":   refusalBody("9999 What", ""),
		"no status":        strings.ReplaceAll(azureSuccess, "HTTP/1.1 204 No Content\r\n", ""),
		"no ETag":          strings.ReplaceAll(azureSuccess, "ETag:", "Tag:"),
		"boundary missing": "--a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	} {
		out, err := parseBatch([]byte(body))
		if err == nil && out[len(out)-1].status >= 300 {
			err = batchRefusal(out, len(changes))
		} else if err == nil {
			_, err = tagsOf(out, changes)
		}
		var at *ChangeError
		if err == nil || errors.As(err, &at) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedNeedsTheCode(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		want   error
	}{
		{404, "ResourceNotFound", ErrNotFound},
		{404, "EntityNotFound", ErrNotFound},
		{404, "", nil},
		{404, "TableNotFound", errNoTable},
		{500, "ResourceNotFound", nil},
		{409, "EntityAlreadyExists", ErrExists},
		{409, "TableBeingDeleted", nil},
		{409, "", nil},
		{412, "UpdateConditionNotSatisfied", ErrPrecondition},
		{412, "", ErrPrecondition},
		{413, "RequestBodyTooLarge", ErrTooLarge},
		{413, "", ErrTooLarge},
		{400, "PropertyValueTooLarge", ErrTooLarge},
		{400, "InvalidInput", nil},
		{503, "ServerBusy", nil},
		{202, "", nil},
	} {
		err := refused(test.status, test.code)
		var other *ServiceError
		if test.want != nil && !errors.Is(err, test.want) || test.want == nil && !errors.As(err, &other) {
			t.Errorf("%d %s: %v", test.status, test.code, err)
		}
	}
	if got := refused(http.StatusTeapot, "anna@example.com").Error(); strings.Contains(got, "anna") {
		t.Errorf("an odd code is repeated: %s", got)
	}
}

func FuzzParseBatch(f *testing.F) {
	f.Add([]byte(azureSuccess))
	f.Add([]byte(refusalBody("409 Conflict", faultBody("EntityAlreadyExists", "2:The specified entity already exists."))))
	f.Add([]byte("--a\n--b\nHTTP/1.1 204\n\n--b--"))
	f.Add([]byte("--\r\n--\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := parseBatch(body)
		if (err == nil) == (len(out) == 0) {
			t.Fatalf("%d parts and error %v", len(out), err)
		}
		for _, o := range out {
			if o.status < 100 || o.status > 599 || strings.ContainsAny(o.etag, "\r\n") {
				t.Fatalf("part %+v", o)
			}
		}
		if err != nil {
			return
		}
		if at, err := refusedAt(out, 20); err == nil && (at < 0 || at >= 20) {
			t.Fatalf("change %d of 20", at)
		}
	})
}
