package banking

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

func (s store) transfers(ctx context.Context, ids []uuid.UUID) (rows []transferRow, err error) {
	err = s.db.In(ctx).Where("tenant_id = ? AND id IN ?", tenant.From(ctx), ids).Limit(len(ids)).Find(&rows).Error
	return rows, err
}
