package app_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"jangteo/app/tenant"
)

// post sends a form as somebody with a cookie.
func (h *house) post(t testing.TB, who someone, path string, form url.Values) answer {
	t.Helper()
	headers := append([]string{"Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"}, who.headers[:2]...)
	return h.client(t).send("POST", path, strings.NewReader(form.Encode()), headers...)
}

// A member of staff signs a citizen's device out: those who may, people of
// theirs, with a reason; the audit log keeps it and the citizen is told it.
func TestStaffSignADeviceOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	citizen := c.do("GET", "/me", nil).want(200).id("id")
	path := "/office/citizens/" + citizen + "/devices"
	end := path + "/" + c.session + "/end"
	reason := url.Values{"reason": {"기기를 잃어버렸다고 신고하셨습니다"}}
	chief := h.officer(t, "chief@11560.example")

	if a := h.post(t, h.officer(t, "settlement@11560.example"), end, reason); a.status != 403 {
		t.Errorf("who may not: %d", a.status)
	}
	if a := h.post(t, h.officer(t, "chief@26350.example"), "/office/citizens/"+citizen+"/devices/"+c.session+"/end", reason); a.status != 404 {
		t.Errorf("another municipality's staff: %d", a.status)
	}
	if a := h.post(t, chief, end, url.Values{"reason": {"짧다"}}); a.status != 422 {
		t.Errorf("without a reason worth reading: %d", a.status)
	}
	if a := h.post(t, chief, path+"/"+newID()+"/end", reason); a.status != 404 {
		t.Errorf("a session that is nobody's: %d", a.status)
	}
	c.do("GET", "/me", nil).want(200)
	if a := h.post(t, chief, end, reason); a.status != 303 {
		t.Fatalf("%d: %s", a.status, clip(a.raw))
	}
	told := c.do("GET", "/me", nil).refused(401, "session-revoked-by-staff")
	if told.text("params.reason") != reason.Get("reason") || !strings.HasPrefix(told.text("params.no"), "S-") || told.text("initiator") != "admin" || !strings.Contains(told.text("params.tenant"), "영등포") {
		t.Errorf("the citizen is told: %s", told.raw)
	}
	if a := h.post(t, chief, end, reason); a.status != 303 {
		t.Errorf("again: %d", a.status)
	}
	page := h.client(t).send("GET", path, nil, chief.headers[0], chief.headers[1], "Accept", "text/html").want(200)
	if !strings.Contains(string(page.raw), told.text("params.no")) || strings.Contains(string(page.raw), kim.name) {
		t.Errorf("the page lacks the case number, or shows the name: %s", page.raw)
	}
	var kept int
	err := h.app.DB.Tx(tenant.With(t.Context(), home), func(ctx context.Context) error {
		return h.app.DB.In(ctx).Raw(`SELECT count(*) FROM app.audit_log WHERE action = 'session.ended-by-staff' AND object_id = ? AND reason = ? AND actor_name = '박과장'`,
			c.session, reason.Get("reason")).Scan(&kept).Error
	})
	if err != nil || kept != 1 {
		t.Errorf("the audit log keeps it %d times (%v)", kept, err)
	}
}
