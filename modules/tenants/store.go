package tenants

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

type row struct {
	ID             tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	Sido           string
	Name           string
	NameEn         string
	Kind           string
	Live           bool
	Accent         int
	VoucherName    string
	VoucherNameEn  string
	SettlementDays int
	Departments    []string `gorm:"serializer:json"`
	Contact        string
	Homepage       string
	FundAccount    string
	UpdatedAt      time.Time `gorm:"autoUpdateTime:false"`
}

func (row) TableName() string { return "tenants.tenants" }

func rowOf(t Tenant) row {
	departments := t.Departments
	if departments == nil {
		departments = []string{}
	}
	return row{
		ID: t.ID, Sido: t.Sido, Name: t.Name, NameEn: t.NameEn, Kind: t.Kind, Live: t.Live, Accent: t.Accent,
		VoucherName: t.VoucherName, VoucherNameEn: t.VoucherNameEn, SettlementDays: t.SettlementDays,
		Departments: departments, Contact: t.Contact, Homepage: t.Homepage, FundAccount: t.FundAccount, UpdatedAt: t.UpdatedAt,
	}
}

func (r row) tenant() Tenant {
	return Tenant{
		ID: r.ID, Sido: r.Sido, Name: r.Name, NameEn: r.NameEn, Kind: r.Kind, UpdatedAt: r.UpdatedAt,
		Settings: Settings{
			Live: r.Live, Accent: r.Accent, VoucherName: r.VoucherName, VoucherNameEn: r.VoucherNameEn,
			SettlementDays: r.SettlementDays, Departments: r.Departments, Contact: r.Contact, Homepage: r.Homepage, FundAccount: r.FundAccount,
		},
	}
}

func (s store) insertMissing(ctx context.Context, list []Tenant) error {
	rows := make([]row, len(list))
	for i, t := range list {
		rows[i] = rowOf(t)
	}
	return s.db.In(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
}

func (s store) lock(ctx context.Context, id tenant.ID) (Tenant, error) {
	var r row
	err := s.db.In(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Take(&r, "id = ?", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = tenant.ErrUnknown
	}
	return r.tenant(), err
}

func (s store) update(ctx context.Context, t Tenant) error {
	r := rowOf(t)
	return s.db.In(ctx).Model(&row{}).Where("id = ?", t.ID).
		Select("live", "accent", "voucher_name", "voucher_name_en", "settlement_days", "departments", "contact", "homepage", "fund_account", "updated_at").
		UpdateColumns(&r).Error
}

func (s store) all(ctx context.Context) ([]Tenant, error) {
	var rows []row
	err := s.db.In(ctx).Order("id").Limit(1000).Find(&rows).Error
	list := make([]Tenant, len(rows))
	for i, r := range rows {
		list[i] = r.tenant()
	}
	return list, err
}
