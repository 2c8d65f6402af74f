package app_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"jangteo/app/web"
)

// TestOpenAPI holds that the document describes every route and that what is
// answered is as it says: no field that it does not know, none missing.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	doc := h.client(t).do("GET", "/openapi.json", nil).want(200)
	if !strings.HasPrefix(doc.text("openapi"), "3.1") {
		t.Errorf("version %q", doc.text("openapi"))
	}
	s := &schemas{t: t, doc: doc.body}
	paths, _ := doc.at("paths").(map[string]any)
	for _, r := range h.app.Router.Table {
		path, api := strings.CutPrefix(r.Path, web.APIPrefix)
		if !api {
			continue
		}
		operation, _ := paths[path].(map[string]any)[strings.ToLower(r.Method)].(map[string]any)
		if operation == nil {
			t.Errorf("%s %s is not described", r.Method, path)
			continue
		}
		if secured := operation["security"] != nil; secured != (r.Access.Kind != "") {
			t.Errorf("%s %s: security is %v", r.Method, path, operation["security"])
		}
		if operation["summary"] == "" || operation["operationId"] == "" {
			t.Errorf("%s %s has no summary or id", r.Method, path)
		}
	}
	s.references(doc.body, "")

	c := h.login(t, kim)
	account := c.link()
	bought := c.buy(home, account, 50_000)
	s.holds("post", "/tenants/{tenant}/purchases", bought)
	paid := c.pay(home, 1_000, newID()).want(201)
	s.holds("post", "/tenants/{tenant}/payments", paid)
	s.holds("post", "/tenants/{tenant}/payments/{id}/cancellations", c.do("POST", "/tenants/11560/payments/"+paid.id("id")+"/cancellations", map[string]any{"amount": 100}, "Idempotency-Key", newID()).want(201))
	s.holds("post", "/tenants/{tenant}/payments", c.pay(home, 900_000, newID()))
	owner := h.clerk(t, "owner11560")
	trouble := h.incident(t)
	card := h.linkCard(t, c, h.towns[home].shop.ID)
	for path := range maps.Keys(paths) {
		operation, _ := paths[path].(map[string]any)["get"].(map[string]any)
		if operation == nil {
			continue
		}
		who := c
		if strings.HasPrefix(path, "/merchant/") {
			who = owner
		}
		id := paid.id("id")
		switch {
		case strings.Contains(path, "/wallets/"):
			id = bought.id("wallet_id")
		case strings.Contains(path, "/card-swaps/"):
			id = card.swap
		case strings.Contains(path, "/purchases/"):
			id = bought.id("id")
		case strings.Contains(path, "/incidents/"):
			id = trouble.ID.String()
		}
		a := who.do("GET", strings.NewReplacer("{tenant}", "11560", "{id}", id).Replace(path), nil).want(200)
		s.holds("get", path, a)
	}
	s.holds("get", "/me", h.client(t).do("GET", "/me", nil).want(401))
}

// schemas checks answers against the document, as far as it goes: types,
// properties, enumerations.
type schemas struct {
	t   *testing.T
	doc map[string]any
}

func (s *schemas) lookup(reference string) map[string]any {
	var v any = s.doc
	for _, step := range strings.Split(strings.TrimPrefix(reference, "#/"), "/") {
		inside, _ := v.(map[string]any)
		v = inside[step]
	}
	found, _ := v.(map[string]any)
	return found
}

// references finds what points to nothing.
func (s *schemas) references(v any, where string) {
	switch inside := v.(type) {
	case map[string]any:
		for key, value := range inside {
			if to, ok := value.(string); ok && key == "$ref" && s.lookup(to) == nil {
				s.t.Errorf("%s points to nothing: %s", where, to)
			}
			s.references(value, where+"/"+key)
		}
	case []any:
		for i, value := range inside {
			s.references(value, fmt.Sprint(where, "/", i))
		}
	}
}

func (s *schemas) holds(method, path string, a answer) {
	s.t.Helper()
	at := s.lookup("#/paths")[path].(map[string]any)[method].(map[string]any)["responses"].(map[string]any)
	response, _ := at[fmt.Sprint(a.status)].(map[string]any)
	if response == nil {
		response, _ = at["default"].(map[string]any)
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	content, _ := response["content"].(map[string]any)
	described, _ := content[kind].(map[string]any)
	schema, _ := described["schema"].(map[string]any)
	if schema == nil {
		s.t.Errorf("%s %s: %d as %s is not described", method, path, a.status, kind)
		return
	}
	for _, wrong := range s.check(schema, a.body, "") {
		s.t.Errorf("%s %s: %s", method, path, wrong)
	}
}

func (s *schemas) check(schema map[string]any, v any, where string) (wrong []string) {
	if to, ok := schema["$ref"].(string); ok {
		schema = s.lookup(to)
	}
	types, _ := schema["type"].([]any)
	if one, ok := schema["type"].(string); ok {
		types = []any{one}
	}
	if kind := kindOf(v); len(types) > 0 && !slices.Contains(types, any(kind)) && !(kind == "integer" && slices.Contains(types, any("number"))) {
		return []string{fmt.Sprintf("%s is %s, not %v", where, kind, types)}
	}
	if options, ok := schema["enum"].([]any); ok && !slices.Contains(options, v) {
		wrong = append(wrong, fmt.Sprintf("%s is %v, none of %v", where, v, options))
	}
	switch value := v.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, there := value[name.(string)]; !there {
				wrong = append(wrong, fmt.Sprintf("%s.%v is missing", where, name))
			}
		}
		for name, inside := range value {
			described, ok := properties[name].(map[string]any)
			if ok {
				wrong = append(wrong, s.check(described, inside, where+"."+name)...)
			} else if schema["additionalProperties"] == false {
				wrong = append(wrong, where+"."+name+" is not described")
			}
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, inside := range value {
			wrong = append(wrong, s.check(items, inside, fmt.Sprint(where, "[", i, "]"))...)
		}
	}
	return wrong
}

func kindOf(v any) string {
	switch value := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if value == float64(int64(value)) {
			return "integer"
		}
		return "number"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return "unknown"
}
