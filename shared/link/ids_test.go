package link_test

import (
	"bytes"
	"testing"

	"github.com/calbridge/calbridge/shared/link"
)

func TestASignatureIsVerifiedByTheKeyThatItNames(t *testing.T) {
	first, second := bytes.Repeat([]byte("a"), 32), bytes.Repeat([]byte("b"), 32)
	before, err := link.NewKeys(first)
	if err != nil {
		t.Fatal(err)
	}
	after, err := link.NewKeys(second, first)
	if err != nil {
		t.Fatal(err)
	}
	if before.SigningID() != link.KeyID(first) || after.SigningID() != link.KeyID(second) || len(after.SigningID()) != 8 {
		t.Errorf("%s, %s", before.SigningID(), after.SigningID())
	}
	signature := before.Sign(link.PurposeClientState, "c", "t")
	for name, ok := range map[string]bool{
		"by its key":           after.VerifyBy(link.KeyID(first), link.PurposeClientState, signature, "c", "t"),
		"not by another":       !after.VerifyBy(link.KeyID(second), link.PurposeClientState, signature, "c", "t"),
		"not by none":          !after.VerifyBy("00000000", link.PurposeClientState, signature, "c", "t"),
		"not for another end":  !after.VerifyBy(link.KeyID(first), link.PurposeLink, signature, "c", "t"),
		"not of other parts":   !after.VerifyBy(link.KeyID(first), link.PurposeClientState, signature, "ct", ""),
		"not one that is less": !after.VerifyBy(link.KeyID(first), link.PurposeClientState, signature[:42], "c", "t"),
	} {
		if !ok {
			t.Errorf("%s: no", name)
		}
	}
}
