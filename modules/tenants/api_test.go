package tenants_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"jangteo/app/i18n"
	"jangteo/app/web"
	"jangteo/modules/tenants"
)

func TestAPI(t *testing.T) {
	t.Parallel()
	kit, s := open(t)
	if err := s.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	e := web.NewServer(web.ServerOptions{Log: kit.Log}, func() *web.Pages { return &web.Pages{Words: words} })
	r := web.NewRouter(e, web.Gate{Tenant: s.Known}, words, "test")
	api := tenants.NewAPI(s)
	web.JSON(r, web.Route{Method: "GET", Path: "/tenants", Class: web.Browse}, api.List)
	web.JSON(r, web.Route{Method: "GET", Path: "/tenants/{tenant}", Class: web.Browse}, api.Get)

	type answer struct {
		ID, Name, Code string
		NameEn         string `json:"name_en"`
		Items          []struct{ ID string }
		NextCursor     string `json:"next_cursor"`
	}
	call := func(path string, want int) (a answer) {
		t.Helper()
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/api/v1"+path, nil))
		if err := json.Unmarshal(recorder.Body.Bytes(), &a); err != nil || recorder.Code != want {
			t.Errorf("%s was answered with %d %s, want %d", path, recorder.Code, recorder.Body, want)
		}
		return a
	}
	if one := call("/tenants/11560", 200); one.ID != "11560" || one.Name != "서울특별시 영등포구" || one.NameEn != "Yeongdeungpo-gu, Seoul" {
		t.Errorf("got %+v", one)
	}
	if found := call("/tenants?q=%EC%98%81%EB%93%B1%ED%8F%AC", 200); len(found.Items) != 1 || found.Items[0].ID != "11560" {
		t.Errorf("found %+v", found)
	}
	first := call("/tenants?limit=2", 200)
	if len(first.Items) != 2 || first.NextCursor != first.Items[1].ID {
		t.Errorf("first %+v", first)
	}
	if next := call("/tenants?limit=2&cursor="+first.NextCursor, 200); len(next.Items) != 2 || next.Items[0].ID <= first.NextCursor {
		t.Errorf("next %+v", next)
	}
	if none := call("/tenants?q=nothing-like-it", 200); none.Items == nil || len(none.Items) != 0 {
		t.Errorf("none %+v", none)
	}
	for _, path := range []string{"/tenants/99999", "/tenants/abcde", "/tenants/1", "/tenants/11560000000000000000"} {
		if a := call(path, 404); a.Code != "tenant-unknown" {
			t.Errorf("%s was answered with %s", path, a.Code)
		}
	}
	for _, path := range []string{"/tenants?limit=0", "/tenants?limit=301", "/tenants?limit=x", "/tenants?cursor=1", "/tenants?colour=red", "/tenants?q=" + strings.Repeat("a", 41)} {
		call(path, 422)
	}
}
