package web

import (
	"github.com/labstack/echo/v4"

	"jangteo/app/fault"
)

type problemsView struct {
	Frame
	Problems []explained
}

type explained struct {
	Code, Title, Detail string
	Status              int
}

type explainedView struct {
	Frame
	Problem explained
}

var (
	problemsPage  = NewPage[problemsView](Public, "web/problems")
	explainedPage = NewPage[explainedView](Public, "web/explained")
)

func (p *Pages) explain(lang string, f *fault.Fault) explained {
	e := explained{
		Code: f.Code, Status: StatusOf(f.Kind), Title: p.Words.T(lang, "problem."+f.Code+".title"),
		Detail: p.Words.T(lang, "problem."+f.Code+".detail"),
	}
	if own, ok := ownStatus[f.Code]; ok {
		e.Status = own
	}
	return e
}

// Problems lists the whole catalogue: GET /problems.
func (p *Pages) Problems(c echo.Context) error {
	var view problemsView
	for _, f := range fault.Declared() {
		view.Problems = append(view.Problems, p.explain(Lang(c), f))
	}
	return problemsPage.Show(c, p, view)
}

// Problem explains one code: GET /problems/{code}, where every problem's type points.
func (p *Pages) Problem(c echo.Context) error {
	f, ok := fault.Lookup(c.Param("code"))
	if !ok {
		return fault.ErrNotFound
	}
	return explainedPage.Show(c, p, explainedView{Problem: p.explain(Lang(c), f)})
}
