package sessions_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"jangteo/app/auth"
	"jangteo/modules/sessions"
)

// A statement says what the security page says, and whoever has the published
// keys can check that we said it.
func TestAccessStatement(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, _ := h.citizen(t)
	h.begin(t, citizen, newPhone(t, "옛 전화"))
	h.Clock.Advance(time.Second)
	h.begin(t, citizen, newPhone(t, "새 전화"))
	signer, err := auth.OpenStatements(ctx, h.DB, h.Box, h.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := sessions.NewStatements(h.Service, signer, "https://jangteo.example").Issue(ctx, citizen)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, key := range signer.Keys() {
		listed = append(listed, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q,"kid":%q}`, key.X, key.ID))
	}
	keys := `{"keys":[` + strings.Join(listed, ",") + `]}`
	body, _, err := auth.CheckStatement(sessions.StatementKind, signed.Signed, []byte(keys))
	if err != nil {
		t.Fatal(err)
	}
	var said sessions.AccessStatement
	if err := json.Unmarshal(body, &said); err != nil || !reflect.DeepEqual(said, signed.Statement) {
		t.Fatalf("%+v is signed, %+v shown (%v)", said, signed.Statement, err)
	}
	if len(said.Sessions) != 2 || said.Sessions[1].Ending != "session-superseded" || said.Sessions[1].ByDevice != "새 전화" || len(said.Events) != 3 || said.Citizen != citizen {
		t.Errorf("%+v", said)
	}
	changed := []byte(signed.Signed)
	changed[len(changed)/2] ^= 1
	if _, _, err := auth.CheckStatement(sessions.StatementKind, string(changed), []byte(keys)); err == nil {
		t.Error("a changed statement was taken")
	}
	if _, _, err := auth.CheckStatement("another+jws", signed.Signed, []byte(keys)); err == nil {
		t.Error("it was taken for another kind")
	}
}
