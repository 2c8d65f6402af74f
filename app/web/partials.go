package web

import (
	"fmt"
	"html/template"
	"text/template/parse"
)

// complete adds to a page's set its layout and every shared template that is
// called in it, and no other: all of them in every page were three quarters of
// what the program held in memory, and walked whenever garbage was collected.
func complete(set, shared *template.Template, layout string) error {
	wanted, seen := []string{layout}, map[string]bool{}
	for _, own := range set.Templates() {
		wanted = append(wanted, own.Name())
	}
	for len(wanted) > 0 {
		name := wanted[0]
		wanted = wanted[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		found := set.Lookup(name)
		if found == nil {
			lent := shared.Lookup(name)
			if lent == nil {
				return fmt.Errorf("no template is called %q", name)
			}
			var err error
			if found, err = set.AddParseTree(name, lent.Tree.Copy()); err != nil {
				return err
			}
		}
		if found.Tree != nil {
			wanted = called(found.Tree.Root, wanted)
		}
	}
	return nil
}

// called adds the names of the templates that a node calls to a list.
func called(node parse.Node, names []string) []string {
	branch := func(b parse.BranchNode) []string { return called(b.ElseList, called(b.List, names)) }
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return names
		}
		for _, inside := range n.Nodes {
			names = called(inside, names)
		}
	case *parse.TemplateNode:
		return append(names, n.Name)
	case *parse.IfNode:
		return branch(n.BranchNode)
	case *parse.RangeNode:
		return branch(n.BranchNode)
	case *parse.WithNode:
		return branch(n.BranchNode)
	}
	return names
}
